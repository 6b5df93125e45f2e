import fc from 'fast-check';
import { expect } from 'vitest';
import type { createOptimizer } from '../../../src/worker/optimizers/optimizer.js';
import { SntAsgd } from '../../../src/worker/optimizers/snt-asgd.js';
import type { Parameter, SparseParameter } from '../../../src/worker/sparsity/parameter.js';
import { layouts, matrix, numbers, optimizerConfig, randomPattern, storedGradient } from './numerics.js';

/** Steps of an optimiser on a small matrix whose masks change. */
export const [rows, columns] = [3, 5];
export const size = rows * columns;
export const gates = [{ name: 'all', rows }];

/** One optimiser step on one parameter. */
export function step(
  optimizer: { step: SntAsgd['step'] },
  parameter: Parameter,
  gradient: Float32Array,
  scale = 1,
): void {
  const stored = storedGradient(parameter, gradient);
  optimizer.step([parameter], [stored], scale);
  stored.dispose();
}

/** An optimiser that averages from its first step on. */
export function averaging(parameters: readonly Parameter[], learningRate: number, weightDecay = 0): SntAsgd {
  const optimizer = new SntAsgd(optimizerConfig({ learningRate, weightDecay }));
  optimizer.beginAveraging(parameters);
  return optimizer;
}

export function expectClose(ours: ArrayLike<number>, theirs: ArrayLike<number>, tolerance = 1e-5): void {
  expect(ours.length).toBe(theirs.length);
  for (let i = 0; i < theirs.length; i++) {
    expect(Math.abs(ours[i] - theirs[i]), `[${i}] ${ours[i]} and ${theirs[i]}`).toBeLessThan(
      tolerance * Math.max(1, Math.abs(theirs[i])),
    );
  }
}

/** Random steps: from time to time the mask changes; gradients are of every position, active or not. */
export const histories = fc.record({
  layout: fc.constantFrom(...layouts),
  learningRate: fc.double({ min: 0.01, max: 1, noNaN: true }),
  weightDecay: fc.constantFrom(0, 1.2e-6, 0.1),
  seed: fc.nat({ max: 10_000 }),
  // Each entry is a step; where it is true, a new mask is put in force before it.
  changes: fc.array(fc.boolean(), { minLength: 1, maxLength: 14 }),
});

interface Moment {
  readonly gradient: Float32Array;
  /** Factor from clipping. */
  readonly scale: number;
  /** 1 where active during this step. */
  readonly mask: Float32Array;
  readonly parameter: SparseParameter;
  readonly optimizer: ReturnType<typeof createOptimizer>;
}

export type History = typeof histories extends fc.Arbitrary<infer Value> ? Value : never;

/** Runs a history and shows each step after it has been done. */
export function replay(
  { layout, seed, changes }: History,
  make: (parameters: readonly Parameter[]) => ReturnType<typeof createOptimizer>,
  look: (moment: Moment) => void,
): void {
  const parameter = matrix('weight', [rows, columns], layout, { seed, density: 0.5 }) as SparseParameter;
  const optimizer = make([parameter]);
  for (const [t, change] of changes.entries()) {
    if (change) parameter.changePattern(randomPattern(seed + t + 1, rows, columns, 0.5), optimizer.fills);
    const gradient = numbers(seed + 20_000 + 100 * t, size);
    const scale = t % 2 === 0 ? 1 : 0.4;
    step(optimizer, parameter, gradient, scale);
    look({ gradient, scale, mask: parameter.pattern.toMask(), parameter, optimizer });
  }
  parameter.dispose();
}
