import fc from 'fast-check';
import { expect, test } from 'vitest';
import { removingRate } from '../../src/worker/sparsity/schedule.js';
import { holds } from './support/property.js';

const final = 0.005;

/** As many digits as the expected number has, so that its last one counts. */
function expectDigits(rate: number, digits: string): void {
  expect(rate.toFixed(digits.length - '0.'.length)).toBe(digits);
}

for (const [t, expected] of [
  [0, '0.5000000000'],
  [1, '0.4998778737'],
  [10, '0.4878864878'],
  [25, '0.4275089283'],
  [50, '0.2525000000'],
  [75, '0.0774910717'],
  [90, '0.0171135122'],
  [99, '0.0051221263'],
  [100, '0.0050000000'],
] as const) {
  test(`from 0.5 the rate after ${t} of 100 steps is ${expected}`, () => {
    expectDigits(removingRate(0.5, final, t, 100), expected);
  });
}

for (const [t, expected] of [
  [1, '0.7998038577'],
  [10, '0.7805449652'],
  [25, '0.6835749455'],
  [50, '0.4025000000'],
  [75, '0.1214250545'],
  [90, '0.0244550348'],
  [100, '0.0050000000'],
] as const) {
  test(`from 0.8 the rate after ${t} of 100 steps is ${expected}`, () => {
    expectDigits(removingRate(0.8, final, t, 100), expected);
  });
}

// Penn Treebank in 20 streams of 46,479 words, windows of 35.
const rows = 46_479;
const bptt = 35;
const stepsPerEpoch = 1328;

/** Steps of a training in windows of full length. */
const duration = (epochs: number) => Math.floor((epochs * rows) / bptt);

test('the published LSTM and RHN runs last 132,797 and 663,985 steps', () => {
  expect(duration(100)).toBe(132_797);
  expect(duration(500)).toBe(663_985);
});

for (const [model, initial, epochs, epoch, expected] of [
  ['LSTM', 0.8, 100, 1, '0.799803849'],
  ['LSTM', 0.8, 100, 2, '0.799215589'],
  ['LSTM', 0.8, 100, 10, '0.780544093'],
  ['LSTM', 0.8, 100, 25, '0.683569958'],
  ['LSTM', 0.8, 100, 50, '0.402485894'],
  ['LSTM', 0.8, 100, 75, '0.121410094'],
  ['LSTM', 0.8, 100, 90, '0.024447190'],
  ['LSTM', 0.8, 100, 99, '0.005195266'],
  ['LSTM', 0.7, 100, 1, '0.699828522'],
  ['LSTM', 0.7, 100, 50, '0.352487669'],
  ['LSTM', 0.7, 100, 99, '0.005170704'],
  ['RHN', 0.5, 500, 1, '0.499995114'],
  ['RHN', 0.5, 500, 50, '0.487885945'],
  ['RHN', 0.5, 500, 125, '0.427505823'],
  ['RHN', 0.5, 500, 250, '0.252491217'],
  ['RHN', 0.5, 500, 375, '0.077481756'],
  ['RHN', 0.5, 500, 450, '0.017108627'],
  ['RHN', 0.5, 500, 499, '0.005004776'],
] as const) {
  test(`the update of the ${model} from ${initial} after epoch ${epoch} removes ${expected}`, () => {
    expectDigits(removingRate(initial, final, epoch * stepsPerEpoch, duration(epochs)), expected);
  });
}

test('the update of the LSTM after epoch 100, three steps too late, removes 0.005 and not the 0.005000001 of a rate that turns up again', () => {
  const steps = 100 * stepsPerEpoch;
  const closedForm = final + ((0.8 - final) * (1 + Math.cos((Math.PI * steps) / duration(100)))) / 2;
  expectDigits(closedForm, '0.005000001');
  expect(removingRate(0.8, final, steps, duration(100))).toBe(final);
});

const schedule = fc
  .record({
    initial: fc.double({ min: 0.005, max: 1, noNaN: true }),
    T: fc.integer({ min: 1, max: 1_000_000 }),
  })
  .chain(({ initial, T }) => fc.tuple(fc.constant({ initial, T }), fc.nat(T), fc.nat(T)));

test('the rate never rises, from its initial value to its final one', () => {
  holds(
    fc.property(schedule, ([{ initial, T }, a, b]) => {
      const [earlier, later] = [Math.min(a, b), Math.max(a, b)].map((t) => removingRate(initial, final, t, T));
      expect(later).toBeLessThanOrEqual(earlier);
      expect(removingRate(initial, final, 0, T)).toBeCloseTo(initial, 15);
      expect(removingRate(initial, final, T, T)).toBeCloseTo(final, 15);
    }),
    1000,
  );
});

test('beyond the last step the rate stays at its final value', () => {
  holds(
    fc.property(schedule, ([{ initial, T }, beyond]) => {
      expect(removingRate(initial, final, T + beyond, T)).toBeCloseTo(final, 15);
    }),
  );
});
