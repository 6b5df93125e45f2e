import fc from 'fast-check';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import {
  DenseParameter,
  slots,
  SparseParameter,
  type Layout,
  type SlotFills,
} from '../../src/worker/sparsity/parameter.js';
import { Pattern } from '../../src/worker/sparsity/pattern.js';
import * as tf from '../../src/worker/tf.js';
import { startCpu } from './support/cpu-engine.js';
import { holds } from './support/property.js';

beforeAll(startCpu);

const layouts: readonly Layout[] = ['packed', 'masked'];
const shape = [3, 4] as const;
const gates = [{ name: 'all', rows: 3 }];
const pattern = Pattern.fromPositions(...shape, Int32Array.of(1, 4, 5, 10));

function parameterOf(layout: Layout, active: readonly number[] = [1, 2, 3, 4], mask = pattern): SparseParameter {
  const parameter = new SparseParameter('w', shape, gates, mask, Float32Array.from(active), layout);
  onTestFinished(() => {
    parameter.dispose();
  });
  return parameter;
}

const stored = (parameter: SparseParameter, slot: (typeof slots)[number]) => [...parameter.slot(slot).dataSync()];

/** A pattern of the shape, a number for each of its weights and a pattern to move to. */
const anyMove = fc
  .record({ before: fc.subarray([...Array(12).keys()]), after: fc.subarray([...Array(12).keys()]) })
  .chain(({ before, after }) => {
    const number = fc.float({ noNaN: true, noDefaultInfinity: true });
    const numbers = fc.array(number, { minLength: before.length, maxLength: before.length });
    return fc.record({ before: fc.constant(before), after: fc.constant(after), values: numbers, averages: numbers });
  });

const patternOf = (positions: readonly number[]) => Pattern.fromPositions(...shape, Int32Array.from(positions));

/** All but those that know no masks. */
const maskedSlots = slots.filter((slot) => !slot.startsWith('whole'));

for (const layout of layouts) {
  test(`what is loaded is read again, in any slot (${layout})`, () => {
    holds(
      fc.property(anyMove, fc.constantFrom(...maskedSlots), ({ before, values, averages }, slot) => {
        const parameter = new SparseParameter('w', shape, gates, patternOf(before), Float32Array.from(values), layout);
        expect([...parameter.read('values')]).toEqual(values);
        parameter.load(slot, Float32Array.from(averages));
        expect([...parameter.read(slot)]).toEqual(averages);
        parameter.dispose();
      }),
    );
  });

  test(`a weight that stays active keeps every slot, a new one starts with the given numbers (${layout})`, () => {
    holds(
      fc.property(anyMove, ({ before, after, values, averages }) => {
        const parameter = new SparseParameter('w', shape, gates, patternOf(before), Float32Array.from(values), layout);
        parameter.load('average', Float32Array.from(averages));
        const fills: SlotFills = { average: -7 };
        parameter.changePattern(patternOf(after), fills);
        const expected = (numbers: readonly number[], fill: number) =>
          after.map((position) => (before.includes(position) ? numbers[before.indexOf(position)] : fill));
        expect([...parameter.read('values')]).toEqual(expected(values, 0));
        expect([...parameter.read('average')]).toEqual(expected(averages, -7));
        expect([...parameter.pattern.positions()]).toEqual(after);
        expect(parameter.activeCount).toBe(after.length);
        parameter.dispose();
      }),
    );
  });

  test(`slots that are not there stay away when the pattern changes (${layout})`, () => {
    const parameter = parameterOf(layout);
    parameter.changePattern(Pattern.full(...shape), { average: 1, moment1: 2 });
    expect(slots.filter((slot) => parameter.has(slot))).toEqual(['values']);
  });

  test(`exchange swaps two slots, and twice is nothing (${layout})`, () => {
    const parameter = parameterOf(layout);
    parameter.load('average', Float32Array.of(5, 6, 7, 8));
    parameter.exchange('values', 'average');
    expect([...parameter.read('values')]).toEqual([5, 6, 7, 8]);
    expect([...parameter.read('average')]).toEqual([1, 2, 3, 4]);
    parameter.exchange('values', 'average');
    expect([...parameter.read('values')]).toEqual([1, 2, 3, 4]);
  });

  test(`a slot can be filled with one number and dropped again (${layout})`, () => {
    const parameter = parameterOf(layout);
    parameter.fill('activeSince', 3);
    expect([...parameter.read('activeSince')]).toEqual([3, 3, 3, 3]);
    parameter.dropSlot('activeSince');
    expect(parameter.has('activeSince')).toBe(false);
  });

  test(`numbers that are not as many as the active weights are refused (${layout})`, () => {
    const parameter = parameterOf(layout);
    for (const size of [3, 5, 12]) {
      expect(() => {
        parameter.load('average', new Float32Array(size));
      }).toThrow(`average of w has 4 active weights, not ${size}`);
    }
    expect(() => parameterOf(layout, [1, 2])).toThrow('values of w has 4 active weights, not 2');
  });

  test(`a slot that is not there cannot be read (${layout})`, () => {
    const parameter = parameterOf(layout);
    expect(() => parameter.read('moment2')).toThrow('parameter w has no slot moment2');
    expect(() => {
      parameter.exchange('values', 'moment2');
    }).toThrow('parameter w has no slot moment2');
    expect([...parameter.read('values')]).toEqual([1, 2, 3, 4]);
  });

  test(`a tensor put into a slot takes the place of the one before, which is disposed (${layout})`, () => {
    const parameter = parameterOf(layout);
    const before = parameter.values;
    const { numTensors } = tf.memory();
    parameter.setSlot('values', tf.zeros(parameter.storedShape));
    expect(before.isDisposed).toBe(true);
    expect(tf.memory().numTensors).toBe(numTensors);
    expect([...parameter.read('values')]).toEqual([0, 0, 0, 0]);
  });

  test(`a tensor that is in its slot already may be put there again (${layout})`, () => {
    const parameter = parameterOf(layout);
    parameter.setSlot('values', parameter.values);
    expect([...parameter.read('values')]).toEqual([1, 2, 3, 4]);
  });

  test(`slots outlive the tidy in which they were set (${layout})`, () => {
    const parameter = parameterOf(layout);
    tf.tidy(() => {
      parameter.fill('average', 2);
      parameter.changePattern(Pattern.full(...shape), {});
    });
    expect(parameter.read('average')).toHaveLength(12);
  });

  test(`the mask and the indices are those of the pattern, also after it has changed (${layout})`, () => {
    const parameter = parameterOf(layout);
    for (const next of [pattern, Pattern.fromPositions(...shape, Int32Array.of(0, 11)), Pattern.full(...shape)]) {
      parameter.changePattern(next, {});
      expect(parameter.mask.shape).toEqual(shape);
      expect([...parameter.mask.dataSync()]).toEqual([...next.toMask()]);
      expect(parameter.indices.shape).toEqual([next.count, 1]);
      expect([...parameter.indices.dataSync()]).toEqual([...next.positions()]);
    }
  });

  test(`nothing is left of a parameter that was used and disposed (${layout})`, () => {
    const { numTensors } = tf.memory();
    const parameter = new SparseParameter('w', shape, gates, pattern, Float32Array.of(1, 2, 3, 4), layout);
    for (const slot of maskedSlots) parameter.fill(slot, 1);
    expect([parameter.mask, parameter.indices]).toHaveLength(2);
    parameter.changePattern(Pattern.full(...shape), { average: 1 });
    expect([parameter.mask, parameter.indices]).toHaveLength(2);
    parameter.exchange('moment1', 'moment2');
    parameter.dropSlot('average');
    parameter.denseGradient.watch('matrix');
    const share = tf.ones<tf.Rank.R2>([3, 4]);
    parameter.denseGradient.add(share);
    parameter.denseGradient.add(share);
    share.dispose();
    parameter.dispose();
    expect(tf.memory().numTensors).toBe(numTensors);
  });
}

test('an average without masks has all weights and stays when masks change; the packed layout has no room for it', () => {
  const masked = parameterOf('masked');
  masked.load('wholeAverage', Float32Array.from(Array(12).keys()));
  masked.changePattern(Pattern.fromPositions(...shape, Int32Array.of(0, 11)), {});
  expect([...masked.read('wholeAverage')]).toEqual([...Array(12).keys()]);
  expect(() => {
    parameterOf('packed').fill('wholeAverage', 0);
  }).toThrow('wholeAverage of w is [4], not [3,4]');
});

test('the packed layout stores a vector of the active weights', () => {
  const parameter = parameterOf('packed');
  expect(parameter.storedShape).toEqual([4]);
  expect(stored(parameter, 'values')).toEqual([1, 2, 3, 4]);
});

test('the masked layout stores the matrix, 0 where the mask is 0', () => {
  const parameter = parameterOf('masked');
  expect(parameter.storedShape).toEqual([3, 4]);
  expect(stored(parameter, 'values')).toEqual([0, 1, 0, 0, 2, 3, 0, 0, 0, 0, 4, 0]);
});

test('the masked layout has 0 at removed positions in every slot', () => {
  const parameter = parameterOf('masked');
  parameter.fill('average', 9);
  parameter.changePattern(Pattern.fromPositions(...shape, Int32Array.of(4)), {});
  expect(stored(parameter, 'values')).toEqual([0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
  expect(stored(parameter, 'average')).toEqual([0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
});

test('a tensor of another shape than the stored one is refused and leaves the slot as it was', () => {
  for (const [layout, wrong] of [
    ['packed', [3, 4]],
    ['masked', [4]],
    ['masked', [4, 3]],
  ] as const) {
    const parameter = parameterOf(layout);
    const tensor = tf.zeros([...wrong]);
    expect(() => {
      parameter.setSlot('values', tensor);
    }).toThrow(`values of w is [${parameter.storedShape.join()}], not [${wrong.join()}]`);
    expect([...parameter.read('values')]).toEqual([1, 2, 3, 4]);
    tensor.dispose();
  }
});

test('a dense parameter has all its weights active and stores them as they are', () => {
  const parameter = new DenseParameter('b', [2, 3], [{ name: 'all', rows: 2 }], Float32Array.of(1, 2, 3, 4, 5, 6));
  onTestFinished(() => {
    parameter.dispose();
  });
  expect(parameter.activeCount).toBe(6);
  expect(parameter.values.shape).toEqual([2, 3]);
  expect([...parameter.read('values')]).toEqual([1, 2, 3, 4, 5, 6]);
  expect(() => {
    parameter.load('average', new Float32Array(5));
  }).toThrow('average of b has 6 active weights, not 5');
});

test('a dense gradient is the sum of its shares and belongs to who takes it', () => {
  const { denseGradient } = parameterOf('packed');
  const [first, second] = [tf.fill<tf.Rank.R2>([3, 4], 2), tf.fill<tf.Rank.R2>([3, 4], 3)];
  denseGradient.watch('matrix');
  denseGradient.add(first);
  denseGradient.add(second);
  tf.dispose([first, second]);
  const sum = denseGradient.take() as tf.Tensor2D;
  expect([...sum.dataSync()]).toEqual(new Array(12).fill(5));
  sum.dispose();
  expect(denseGradient.take()).toBeUndefined();
});

test('a single share outlives the temporary it came in', () => {
  const { denseGradient } = parameterOf('packed');
  const share = tf.fill<tf.Rank.R2>([3, 4], 2);
  denseGradient.watch('matrix');
  denseGradient.add(share);
  share.dispose();
  const sum = denseGradient.take() as tf.Tensor2D;
  expect([...sum.dataSync()]).toEqual(new Array(12).fill(2));
  sum.dispose();
});

test('nothing is added to a dense gradient that nobody watches', () => {
  const { denseGradient } = parameterOf('packed');
  const share = tf.ones<tf.Rank.R2>([3, 4]);
  denseGradient.add(share);
  expect(denseGradient.take()).toBeUndefined();
  denseGradient.watch('matrix');
  denseGradient.take();
  denseGradient.add(share);
  expect(denseGradient.take()).toBeUndefined();
  share.dispose();
});
