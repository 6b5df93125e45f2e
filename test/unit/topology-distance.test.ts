import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { editDistance } from '../../src/main/topology/distance.js';
import { chanceDistance } from '../../src/shared/topology-distance.js';
import { matchUnits, reordered } from '../../src/main/topology/matching.js';
import { networkDistance } from '../../src/main/topology/network-distance.js';
import { unitsOf } from '../../src/main/topology/units.js';
import { modelKindNames, type ModelConfig, type ModelKindName } from '../../src/shared/model-config.js';
import { parseRunConfig, type PartialRunConfig } from '../../src/shared/run-config.js';
import type { LayerBits, MaskLayer } from '../../src/system/mask-file.js';
import { startEngine } from '../../src/worker/engines/engine.js';
import { matricesOf, modelKinds } from '../../src/worker/models/build.js';
import { noDropout } from '../../src/worker/models/model.js';
import { RandomWords } from '../../src/worker/random/random.js';
import { DenseParameter } from '../../src/worker/sparsity/parameter.js';
import { initialPatterns } from '../../src/worker/sparsity/initial-topology.js';
import { integers, randomPattern } from './support/numerics.js';
import { holds } from './support/property.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

const bitsOf = (size: number, positions: readonly number[]) => {
  const bits = new Uint8Array(Math.ceil(size / 8));
  for (const position of positions) bits[position >> 3] |= 1 << (position & 7);
  return bits;
};

describe('the distance of two masks', () => {
  test('is what the algorithm page says (9.7)', () => {
    expect(editDistance(bitsOf(4, [0, 1, 2]), bitsOf(4, [1, 2, 3]))).toBe(0.5);
    expect(editDistance(bitsOf(4, []), bitsOf(4, []))).toBe(0);
    expect(editDistance(bitsOf(4, [0]), bitsOf(4, [1]))).toBe(1);
  });

  test('is one by chance where they have nothing to do with each other (7.5)', () => {
    expect(chanceDistance(0.33, 0.33)).toBeCloseTo(0.8024, 4);
    expect(chanceDistance(0.472, 0.472)).toBeCloseTo(0.6911, 4);
    expect(chanceDistance(0.45, 0.45)).toBeCloseTo(0.7097, 4);
    expect(chanceDistance(0, 0)).toBe(0);
    const [a, b] = [1, 2].map((seed) => randomPattern(seed, 400, 300, 0.33).toBits());
    expect(editDistance(a, b)).toBeCloseTo(0.8024, 2);
  });

  test('is a metric between 0 and 1: 0 to itself, the same both ways, no longer by a detour', () => {
    const mask = fc.uniqueArray(fc.nat(29)).map((positions) => bitsOf(30, positions));
    holds(
      fc.property(mask, mask, mask, (a, b, c) => {
        expect(editDistance(a, a)).toBe(0);
        const distance = editDistance(a, b);
        expect(distance).toBeGreaterThanOrEqual(0);
        expect(distance).toBeLessThanOrEqual(1);
        expect(editDistance(b, a)).toBe(distance);
        expect(distance).toBeLessThanOrEqual(editDistance(a, c) + editDistance(c, b) + 1e-12);
      }),
    );
  });
});

type ModelSettings = NonNullable<PartialRunConfig['model']>;
const vocabulary = 60;
const variants: readonly [name: string, settings: ModelSettings & { kind: ModelKindName }][] = [
  ['stacked-lstm', { kind: 'stacked-lstm', embedding: 12, hidden: 14, layers: 2 }],
  ['stacked-lstm, tied', { kind: 'stacked-lstm', embedding: 12, hidden: 12, layers: 2, tied: true }],
  ['elman-rnn', { kind: 'elman-rnn', embedding: 12, hidden: 14, layers: 2 }],
  ['gru', { kind: 'gru', embedding: 12, hidden: 12, layers: 1, tied: true }],
  ['rhn', { kind: 'rhn', embedding: 12, hidden: 12, depth: 3, tied: true }],
  ['rhn with a carry gate', { kind: 'rhn', embedding: 10, hidden: 12, depth: 2, coupled: false }],
  ['on-lstm', { kind: 'on-lstm', embedding: 8, hidden: 12, layers: 2, chunk: 4, tied: true }],
  [
    'on-lstm whose master gates are as many as a gate',
    { kind: 'on-lstm', embedding: 8, hidden: 12, layers: 2, chunk: 2 },
  ],
  ['awd-lstm', { kind: 'awd-lstm', embedding: 10, hidden: 14, layers: 3, tied: true }],
  [
    'awd-lstm-mos',
    { kind: 'awd-lstm-mos', embedding: 10, hidden: 14, hiddenLast: 12, layers: 2, experts: 3, tied: true },
  ],
  ['awd-lstm-mos, untied', { kind: 'awd-lstm-mos', embedding: 10, hidden: 14, layers: 2, experts: 3 }],
];

test('every kind of model is among them', () => {
  expect(new Set(variants.map(([, { kind }]) => kind))).toEqual(new Set(modelKindNames));
});

const configOf = (settings: ModelSettings): ModelConfig => parseRunConfig({ model: settings }).model;

function layersOf(settings: ModelSettings & { kind: ModelKindName }): MaskLayer[] {
  const specs = modelKinds[settings.kind].parameters(configOf(settings), vocabulary);
  return matricesOf(specs).map(({ name, shape: [rows, columns] }) => ({ name, rows, columns }));
}

/** Any places for the units of each group, within what may be exchanged. */
function shuffled(settings: ModelSettings & { kind: ModelKindName }, seed: number): Map<string, Int32Array> {
  const { groups } = unitsOf(layersOf(settings), configOf(settings));
  return new Map(
    groups.map(({ name, size, exchange }, group) => {
      const keys = new RandomWords(seed, 'dropout', group).words(size);
      const order = [...keys.keys()].sort(
        (a, b) => Math.floor(a / exchange) - Math.floor(b / exchange) || keys[a] - keys[b],
      );
      return [name, Int32Array.from(order)];
    }),
  );
}

const masksOf = (layers: readonly MaskLayer[], seed: number, density = 0.4): LayerBits[] =>
  layers.map((layer, i) => ({
    layer,
    bits: randomPattern(100 * seed + i, layer.rows, layer.columns, density).toBits(),
  }));

describe.each(variants)('units of %s', (_, settings) => {
  const config = configOf(settings);
  const layers = layersOf(settings);
  const units = unitsOf(layers, config);

  test('account for every row and column', () => {
    units.matrices.forEach(({ rows, columns }, i) => {
      expect(rows.reduce((sum, block) => sum + block.rows, 0)).toBe(layers[i].rows);
      expect(units.groups.find(({ name }) => name === columns)!.size).toBe(layers[i].columns);
    });
  });

  test('may change places, with their rows and columns, and the network computes the same', () => {
    const specs = modelKinds[settings.kind].parameters(config, vocabulary);
    const values = specs.map(({ shape }, i) =>
      new RandomWords(3, 'initialisation', i).uniform(
        shape.reduce((product, length) => product * length, 1),
        1,
      ),
    );
    const matching = shuffled(settings, 5);
    const moved = specs.map(({ name, shape }, i) => {
      const matrix = layers.findIndex((layer) => layer.name === name);
      // A bias has the rows of its matrix; the decoder's are words.
      const own =
        name === 'decoder.bias' ? -1 : layers.findIndex((layer) => layer.name === name.replace('bias', 'weight'));
      const blocks = own < 0 ? [{ group: undefined, rows: shape[0] }] : units.matrices[own].rows;
      const columns = matrix < 0 ? undefined : matching.get(units.matrices[matrix].columns);
      const width = shape.at(1) ?? 1;
      const result = new Float32Array(values[i].length);
      let row = 0;
      for (const block of blocks) {
        const order = block.group === undefined ? undefined : matching.get(block.group);
        for (let unit = 0; unit < block.rows; unit++) {
          for (let c = 0; c < width; c++) {
            result[(row + unit) * width + c] = values[i][(row + (order?.[unit] ?? unit)) * width + (columns?.[c] ?? c)];
          }
        }
        row += block.rows;
      }
      return result;
    });
    const lossOf = (all: readonly Float32Array[]) => {
      const parameters = specs.map((spec, i) => new DenseParameter(spec.name, spec.shape, spec.gates, all[i]));
      const model = modelKinds[settings.kind].create(config, parameters);
      const window = { inputs: integers(1, 12, vocabulary), targets: integers(2, 12, vocabulary), batch: 3 };
      return model.loss(window, model.initialState(3), noDropout).loss.dataSync()[0];
    };
    expect(moved).not.toEqual(values);
    expect(lossOf(moved)).toBeCloseTo(lossOf(values), 4);
  });

  test('are found again: a network whose units have changed places has distance 0 when matched, and not without', () => {
    for (const seed of [1, 2, 3]) {
      const masks = masksOf(layers, seed);
      const moved = reordered(masks, units, shuffled(settings, seed));
      const { distance, matched } = networkDistance(masks, moved, config, true);
      expect(matched).toBe(0);
      expect(distance).toBeGreaterThan(0.2);
    }
  });

  test('that stay are matched with themselves, and matching never makes networks more distant', () => {
    const [a, b] = [masksOf(layers, 1), masksOf(layers, 2)];
    for (const [name, order] of matchUnits(a, a, units)) expect([name, [...order]]).toEqual([name, [...order.keys()]]);
    expect(networkDistance(a, a, config, true)).toMatchObject({ distance: 0, matched: 0 });
    const { distance, matched } = networkDistance(a, b, config, true);
    expect(matched!).toBeLessThanOrEqual(distance);
    expect(matched!).toBeGreaterThan(0);
    expect(distance).toBeLessThanOrEqual(1);
  });
});

test('a matching is one to one, and best in sum', () => {
  // Two layers of three units: all orders can be tried.
  const settings = { kind: 'elman-rnn', embedding: 4, hidden: 4, layers: 1 } as const;
  const [layers, config] = [layersOf(settings), configOf(settings)];
  const units = unitsOf(layers, config);
  holds(
    fc.property(fc.nat(10_000), (seed) => {
      const [a, b] = [masksOf(layers, seed), masksOf(layers, seed + 1)];
      const order = matchUnits(a, b, units).get('embedding')!;
      expect([...order].sort()).toEqual([0, 1, 2, 3]);
      // Word vectors are matched by their words: columns of the first matrix.
      const column = ({ bits }: LayerBits, unit: number) =>
        bitsOf(
          vocabulary,
          Array.from({ length: vocabulary }, (_, word) => word).filter(
            (word) => ((bits[(4 * word + unit) >> 3] >> ((4 * word + unit) & 7)) & 1) === 1,
          ),
        );
      const costOf = (of: readonly number[]) =>
        of.reduce((sum, other, unit) => sum + editDistance(column(a[0], unit), column(b[0], other)), 0);
      const all = permutations([0, 1, 2, 3]).map(costOf);
      expect(costOf([...order])).toBeCloseTo(Math.min(...all), 10);
    }),
    50,
  );
});

function permutations(items: readonly number[]): number[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item) => permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]));
}

test('chance is told beside a distance, by the densities of both', () => {
  const [, settings] = variants[0];
  const layers = layersOf(settings);
  const { layers: told, chance } = networkDistance(
    ...([masksOf(layers, 1, 0.2), masksOf(layers, 2, 0.6), configOf(settings), false] as const),
  );
  for (const layer of told) {
    expect(layer.chance).toBeCloseTo(chanceDistance(0.2, 0.6), 1);
    expect(layer.matched).toBeNull();
  }
  expect(chance).toBeCloseTo(chanceDistance(0.2, 0.6), 1);
});

test('networks of different shapes have no distance, and too large ones none with matching', () => {
  const [, settings] = variants[0];
  const masks = masksOf(layersOf(settings), 1);
  const other = masksOf(layersOf({ ...settings, hidden: 15 }), 1);
  expect(() => networkDistance(masks, other, configOf(settings), false)).toThrow(
    'one run has lstm.0.weight_ih (56 x 12) where the other has lstm.0.weight_ih (60 x 12)',
  );
  const large = layersOf({ kind: 'elman-rnn', embedding: 4, hidden: 5000, layers: 1 });
  const huge = large.map((layer) => ({ layer, bits: new Uint8Array(Math.ceil((layer.rows * layer.columns) / 8)) }));
  const config = configOf({ kind: 'elman-rnn', embedding: 4, hidden: 5000, layers: 1 });
  expect(() => networkDistance(huge, huge, config, true)).toThrow('matching the 5000 units of a layer would take');
  expect(networkDistance(huge, huge, config, false).distance).toBe(0);
});

test('independent masks of a larger network are as far apart as chance has it, and nearer when matched', () => {
  const settings = { kind: 'stacked-lstm', embedding: 300, hidden: 300, layers: 1 } as const;
  const specs = modelKinds['stacked-lstm'].parameters(configOf(settings), 500);
  const matrices = matricesOf(specs);
  const method = parseRunConfig({ method: { density: 0.2 } }).method;
  const masks = (seed: number) =>
    initialPatterns(matrices, method, seed).map((pattern, i) => ({
      layer: { name: matrices[i].name, rows: pattern.rows, columns: pattern.columns },
      bits: pattern.toBits(),
    }));
  const [a, b] = [masks(1), masks(2)];
  const { distance, matched } = networkDistance(a, b, configOf(settings), true);
  expect(distance).toBeCloseTo(chanceDistance(0.2, 0.2), 1);
  expect(matched!).toBeLessThan(distance);
});
