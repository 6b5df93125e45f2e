import { expect, test } from 'vitest';
import { methodKinds, methods, type MethodKind } from '../../src/shared/methods.js';
import { parseRunConfig } from '../../src/shared/run-config.js';
import type { Layer } from '../../src/worker/sparsity/layer.js';
import { rulesOf } from '../../src/worker/sparsity/methods.js';
import { initialMethodState, updateTopology } from '../../src/worker/sparsity/topology.js';
import { layerOf } from './support/layers.js';
import { numbers } from './support/numerics.js';

/** Two layers of two gates, half of each full: large and small weights, of both signs, some of which have just changed it. */
function crafted(full: boolean): Layer[] {
  return [1, 2].map((seed) => {
    const columns = 10;
    const weights = Array.from(numbers(seed, 4 * columns), (weight, position) =>
      full || position % 2 === 0 ? weight * seed : null,
    );
    const layer = layerOf(columns, { first: weights.slice(0, 2 * columns), second: weights.slice(2 * columns) });
    const before = layer.values.map((value, i) => (i % 5 === 0 ? -value : value));
    return {
      ...layer,
      name: `layer ${seed}`,
      scores: { gradient: numbers(10 + seed, 4 * columns), momentum: numbers(20 + seed, 4 * columns), before },
    };
  });
}

/** What one update of a method makes of them. */
function outcomeOf(kind: MethodKind): string {
  const row = methods[kind];
  const density = row.masks === 'none' || row.masks === 'whole-units' || kind === 'l1' ? 1 : 0.4;
  const { method } = parseRunConfig({
    method: { kind, density, threshold: 0.2 },
    ...(row.masks === 'whole-units' ? { optimizer: { kind: 'sgd' } } : {}),
  });
  const rules = rulesOf(method);
  if (rules === undefined) return row.masks;
  const context = { sampling: method.sampling, seed: 1, update: 1, rate: 0.5, state: initialMethodState(method) };
  const { changes } = updateTopology(crafted(row.masks === 'pruned'), rules, context);
  const masks = changes.map(({ pattern }) => pattern.positions().join()).join('|');
  // A ticket and one-shot pruning take the same weights; what one does with those that are left is its own.
  return rules.rewinds ? `${masks} from the beginning` : masks;
}

const outcomes = methodKinds.map((kind) => [kind, outcomeOf(kind)] as const);

test.each(outcomes)('%s does with the same layers what no other method does', (kind, outcome) => {
  const same = outcomes.filter(([other, theirs]) => other !== kind && theirs === outcome).map(([other]) => other);
  expect(same).toEqual([]);
});
