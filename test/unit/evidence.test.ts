import { beforeAll, expect, test } from 'vitest';
import { Evidence } from '../../src/worker/sparsity/evidence.js';
import { SparseParameter } from '../../src/worker/sparsity/parameter.js';
import { Pattern } from '../../src/worker/sparsity/pattern.js';
import * as tf from '../../src/worker/tf.js';
import { startCpu } from './support/cpu-engine.js';

beforeAll(startCpu);

/** Tells gradients of a matrix of two weights, of which one is active, and gives what is known after each step. */
function told(evidence: Evidence, steps: readonly { gradient: [number, number]; scale: number; updates: boolean }[]) {
  const pattern = Pattern.fromPositions(1, 2, Int32Array.of(1));
  const gates = [{ name: 'all', rows: 1 }];
  const parameter = new SparseParameter('w', [1, 2], gates, pattern, Float32Array.of(3), 'packed');
  const known = steps.map(({ gradient, scale, updates }) => {
    const tensor = tf.tensor2d([gradient]);
    evidence.noteGradient(new Map([[parameter, tensor]]), scale, updates);
    tensor.dispose();
    const { momentum, gradient: last } = evidence.of('w');
    return { momentum: momentum?.slice(), gradient: last?.slice() };
  });
  parameter.dispose();
  return known;
}

test('momentum is the running mean of the clipped gradient of every weight, active or not, over all steps', () => {
  const evidence = new Evidence(['momentum'], 0.75);
  const known = told(evidence, [
    { gradient: [1, 2], scale: 1, updates: false },
    { gradient: [4, -8], scale: 0.5, updates: true },
  ]);
  expect(known.map(({ momentum }) => [...momentum!])).toEqual([
    [0.25, 0.5],
    [0.6875, -0.625],
  ]);
  expect(known[1].gradient).toBeUndefined();
  evidence.afterUpdate();
  expect([...evidence.of('w').momentum!]).toEqual([0.6875, -0.625]);
  expect([evidence.wantsGradient(false), evidence.wantsGradient(true)]).toEqual([true, true]);
});

test('a gradient is kept of the steps that an update follows alone, and for that update', () => {
  const evidence = new Evidence(['gradient'], 0.9);
  const known = told(evidence, [
    { gradient: [1, 2], scale: 1, updates: false },
    { gradient: [4, -8], scale: 0.5, updates: true },
  ]);
  expect(known.map(({ gradient }) => gradient && [...gradient])).toEqual([undefined, [4, -8]]);
  expect([...evidence.entries()].map(([kind, name, numbers]) => [kind, name, [...numbers]])).toEqual([
    ['gradient', 'w', [4, -8]],
  ]);
  evidence.afterUpdate();
  expect(evidence.of('w')).toEqual({});
  expect([evidence.wantsGradient(false), evidence.wantsGradient(true)]).toEqual([false, true]);
});

test('methods that grow at random make no step compute a gradient of inactive weights', () => {
  const evidence = new Evidence([], 0.9);
  expect([evidence.wantsGradient(false), evidence.wantsGradient(true), evidence.wantsBefore]).toEqual([
    false,
    false,
    false,
  ]);
});

test('the gradients of several steps add up for one update', () => {
  const evidence = new Evidence(['gradient'], 0.9);
  const known = told(evidence, [
    { gradient: [1, 2], scale: 1, updates: true },
    { gradient: [4, -8], scale: 0.5, updates: true },
  ]);
  expect(known.map(({ gradient }) => [...gradient!])).toEqual([
    [1, 2],
    [5, -6],
  ]);
  evidence.afterUpdate();
  expect([...told(evidence, [{ gradient: [3, 3], scale: 1, updates: true }])[0].gradient!]).toEqual([3, 3]);
});
