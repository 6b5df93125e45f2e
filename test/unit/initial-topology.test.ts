import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UserError } from '../../src/shared/errors.js';
import { parseRunConfig, type PartialRunConfig } from '../../src/shared/run-config.js';
import { erdosRenyi, initialPatterns, uniform } from '../../src/worker/sparsity/initial-topology.js';
import { holds } from './support/property.js';

type Shape = readonly [number, number];

const methodOf = (method: PartialRunConfig['method']) => parseRunConfig({ method }).method;
const named = (shapes: readonly Shape[]) => shapes.map((shape, i) => ({ name: `matrix ${i}`, shape }));
const sizeOf = ([rows, columns]: Shape) => rows * columns;
const total = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0);

// The masked matrices of the four published models.
const lstm: Shape[] = [[10_000, 1500], ...new Array<Shape>(4).fill([6000, 1500]), [10_000, 1500]];
const rhn: Shape[] = [[10_000, 830], ...new Array<Shape>(11).fill([1660, 830])];
const onLstm: Shape[] = [
  [10_000, 400],
  [4830, 400],
  [4830, 1150],
  [4830, 1150],
  [4830, 1150],
  [1680, 1150],
  [1680, 400],
];
const mos: Shape[] = [
  [33_278, 300],
  [4600, 300],
  [4600, 1150],
  [4600, 1150],
  [4600, 1150],
  [2600, 1150],
  [2600, 650],
  [15, 650],
  [4500, 650],
];

const shapes = fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 })), {
  minLength: 1,
  maxLength: 6,
});
const density = fc.double({ min: 0.01, max: 0.99, noNaN: true });

test('a uniform draw makes exactly round(density size) weights of each matrix active', () => {
  holds(
    fc.property(shapes, density, fc.nat(), (all, d, seed) => {
      const counts = all.map((shape) => Math.round(d * sizeOf(shape)));
      fc.pre(counts.every((count) => count > 0));
      const patterns = initialPatterns(named(all), methodOf({ density: d }), seed);
      expect(patterns.map(({ count }) => count)).toEqual(counts);
      expect(patterns.map(({ rows, columns }) => [rows, columns])).toEqual(all);
    }),
  );
});

test('the published LSTM has 4,950,000 + 4 * 2,970,000 + 4,950,000 = 21,780,000 active weights', () => {
  const counts = uniform(0.33, lstm).map((d, i) => Math.round(d * sizeOf(lstm[i])));
  expect(counts).toEqual([4_950_000, 2_970_000, 2_970_000, 2_970_000, 2_970_000, 4_950_000]);
  expect(total(counts)).toBe(21_780_000);
});

test('the encoder of the published LSTM is drawn with exactly 4,950,000 active weights', () => {
  const [pattern] = initialPatterns([{ name: 'encoder', shape: lstm[0] }], methodOf({ density: 0.33 }), 1111);
  expect(pattern.count).toBe(4_950_000);
});

for (const [model, matrices, sum, perimeter, epsilon, d] of [
  ['LSTM', lstm, 66_000_000, 53_000, '410.943396', 0.33],
  ['RHN', rhn, 23_455_800, 38_220, '289.668697', 0.472],
  ['ON-LSTM', onLstm, 25_199_500, 38_480, '294.692698', 0.45],
  ['MoS', mos, 34_848_150, 68_543, '228.785835', 0.45],
] as const) {
  test(`the ${model} has ${sum} weights, ${perimeter} rows and columns, and ε ${epsilon} before any matrix is full`, () => {
    expect(total(matrices.map(sizeOf))).toBe(sum);
    expect(total(matrices.flat())).toBe(perimeter);
    expect(((d * sum) / perimeter).toFixed(6)).toBe(epsilon);
  });
}

for (const [model, matrices, d, expected] of [
  ['LSTM', lstm, 0.33, ['0.315057', ...new Array<string>(4).fill('0.342453'), '0.315057']],
  ['RHN', rhn, 0.472, ['0.377965', ...new Array<string>(11).fill('0.523498')]],
  ['ON-LSTM', onLstm, 0.45, ['0.766201', '0.797745', '0.317268', '0.317268', '0.317268', '0.431667', '0.912144']],
] as const) {
  test(`Erdős-Rényi gives the ${model} the densities ${[...new Set(expected)].join(', ')}`, () => {
    expect(erdosRenyi(d, matrices).map((layer) => layer.toFixed(6))).toEqual(expected);
  });
}

test('Erdős-Rényi gives the LSTM 4,725,849 weights in encoder and decoder and 3,082,075 in each recurrent matrix', () => {
  const counts = erdosRenyi(0.33, lstm).map((d, i) => Math.round(d * sizeOf(lstm[i])));
  // ε (rows + columns) is 4,725,849.06 and 3,082,075.47: sums found elsewhere round the latter up.
  expect(counts).toEqual([4_725_849, 3_082_075, 3_082_075, 3_082_075, 3_082_075, 4_725_849]);
});

test('the prior of the mixture of softmaxes, 15.6 times full, is made dense and the budget kept', () => {
  const prior = 7;
  expect((228.785835 * (15 + 650)) / (15 * 650)).toBeCloseTo(15.6, 2);
  const densities = erdosRenyi(0.45, mos);
  expect(densities[prior]).toBe(1);
  expect(densities.every((layer, i) => i === prior || layer < 1)).toBe(true);
  expect(total(densities.map((layer, i) => layer * sizeOf(mos[i])))).toBeCloseTo(0.45 * 34_848_150, 5);
});

test('Erdős-Rényi keeps the budget, fills no matrix beyond 1 and shares one ε among those that are not full', () => {
  holds(
    fc.property(shapes, density, (all, d) => {
      const densities = erdosRenyi(d, all);
      const budget = d * total(all.map(sizeOf));
      expect(Math.abs(total(densities.map((layer, i) => layer * sizeOf(all[i]))) - budget)).toBeLessThan(1e-9 * budget);
      expect(densities.every((layer) => layer > 0 && layer <= 1)).toBe(true);
      const epsilons = densities.flatMap((layer, i) => {
        const [rows, columns] = all[i];
        return layer === 1 ? [] : [(layer * rows * columns) / (rows + columns)];
      });
      for (const epsilon of epsilons) expect(epsilon).toBeCloseTo(epsilons[0], 9);
    }),
    500,
  );
});

test('masks of a run with Erdős-Rényi have its counts', () => {
  const all: Shape[] = [
    [100, 30],
    [120, 30],
    [2, 40],
  ];
  const patterns = initialPatterns(named(all), methodOf({ density: 0.33, initialiser: 'er' }), 5);
  const densities = erdosRenyi(0.33, all);
  expect(densities[2]).toBe(1);
  expect(patterns.map(({ count }) => count)).toEqual(densities.map((d, i) => Math.round(d * sizeOf(all[i]))));
});

test('independent draws vary from seed to seed around density size', () => {
  const [size, d, draws] = [2000, 0.3, 200];
  const method = methodOf({ density: d, sampling: 'bernoulli' });
  const counts = Array.from({ length: draws }, (_, seed) => {
    const [pattern] = initialPatterns([{ name: 'hidden', shape: [50, 40] }], method, seed);
    return pattern.count;
  });
  const mean = total(counts) / draws;
  const variance = total(counts.map((count) => (count - mean) ** 2)) / draws;
  const binomial = size * d * (1 - d);
  expect(Math.abs(mean - size * d)).toBeLessThan(4 * Math.sqrt(binomial / draws));
  expect(variance / binomial).toBeGreaterThan(0.6);
  expect(variance / binomial).toBeLessThan(1.4);
});

for (const sampling of ['exact', 'bernoulli'] as const) {
  test(`each position is as likely as any other (${sampling})`, () => {
    const [rows, columns, d, draws] = [8, 12, 0.25, 2000];
    const method = methodOf({ density: d, sampling });
    const hits = new Array<number>(rows * columns).fill(0);
    for (let seed = 0; seed < draws; seed++) {
      const [pattern] = initialPatterns([{ name: 'hidden', shape: [rows, columns] }], method, seed);
      for (const position of pattern.positions()) hits[position]++;
    }
    const chiSquare = total(hits.map((count) => (count - draws * d) ** 2 / (draws * d * (1 - d))));
    // About as many degrees of freedom as positions: mean `size`, standard deviation sqrt(2 size).
    expect(Math.abs(chiSquare - hits.length)).toBeLessThan(4 * Math.sqrt(2 * hits.length));
  });
}

test('the same seed draws the same masks, another seed others', () => {
  const method = methodOf({ density: 0.4 });
  const matrices = named([
    [20, 30],
    [20, 30],
  ]);
  const masks = (seed: number) => initialPatterns(matrices, method, seed).map((pattern) => [...pattern.positions()]);
  expect(masks(7)).toEqual(masks(7));
  expect(masks(7)).not.toEqual(masks(8));
});

test('two matrices of the same shape have different masks', () => {
  const matrices = named([
    [20, 30],
    [20, 30],
  ]);
  const [first, second] = initialPatterns(matrices, methodOf({ density: 0.4 }), 7);
  expect([...first.positions()]).not.toEqual([...second.positions()]);
});

test('a density that leaves a matrix empty is refused with the field, its value and the matrix', () => {
  const matrices = [
    { name: 'encoder', shape: [100, 10] },
    { name: 'hidden', shape: [4, 6] },
  ] as const;
  const draw = () => initialPatterns(matrices, methodOf({ density: 0.02 }), 1);
  expect(draw).toThrow(UserError);
  expect(draw).toThrow('method.density: 0.02 leaves no active weight in hidden (4 x 6)');
});
