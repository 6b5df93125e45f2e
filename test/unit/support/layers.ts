import fc from 'fast-check';
import { parseRunConfig, type RunConfig } from '../../../src/shared/run-config.js';
import { countPerGate } from '../../../src/worker/sparsity/gates.js';
import { Pattern } from '../../../src/worker/sparsity/pattern.js';
import type { Layer } from '../../../src/worker/sparsity/layer.js';
import { initialMethodState, type UpdateContext } from '../../../src/worker/sparsity/topology.js';

type Method = RunConfig['method'];

/** An update with the configuration that its rules are made from. */
export interface Context extends UpdateContext {
  readonly config: Method;
}

export const gateModes: readonly Exclude<Method['gateMode'], 'auto'>[] = ['fused', 'fused-equal', 'per-gate'];

/** A layer from its matrix, one list a gate, in which `null` is an inactive position. */
export function layerOf(columns: number, gates: Readonly<Record<string, readonly (number | null)[]>>): Layer {
  const all = Object.values(gates).flat();
  const positions = all.flatMap((weight, position) => (weight === null ? [] : [position]));
  const pattern = Pattern.fromPositions(all.length / columns, columns, Int32Array.from(positions));
  const values = Float32Array.from(positions, (position) => all[position]!);
  const shapes = Object.entries(gates).map(([name, weights]) => ({ name, rows: weights.length / columns }));
  return { name: 'layer', gates: shapes, pattern, values, budgets: countPerGate(pattern.positions(), shapes, columns) };
}

export function contextOf(context: Partial<Omit<UpdateContext, 'sampling'>>, method: Partial<Method> = {}): Context {
  const config = parseRunConfig({ method }).method;
  const { sampling } = config;
  return { config, sampling, seed: 1, update: 1, rate: 0.5, state: initialMethodState(config), ...context };
}

/** How many of some positions lie in each gate. */
export function perGate({ gates, pattern }: Layer, positions: Int32Array): number[] {
  return countPerGate(positions, gates, pattern.columns);
}

/** Weights of which many are equal in magnitude, or 0. */
const weight = fc.oneof(
  fc.integer({ min: -4, max: 4 }).map((eighths) => eighths / 8),
  fc.float({ min: -2, max: 2, noNaN: true }),
);

/** A layer of up to four gates of different heights, with any weights active. */
const anyLayer: fc.Arbitrary<Layer> = fc
  .tuple(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 8 }))
  .chain(([heights, columns]) =>
    fc
      .tuple(
        ...heights.map((rows) => {
          const size = rows * columns;
          return fc.array(fc.option(weight, { freq: 2 }), { minLength: size, maxLength: size });
        }),
      )
      .map((gates) => layerOf(columns, Object.fromEntries(gates.map((weights, i) => [`gate ${i}`, weights])))),
  );

export const anyLayers = fc.array(anyLayer, { minLength: 1, maxLength: 3 });

export const anyContext: fc.Arbitrary<Context> = fc
  .record({
    seed: fc.nat({ max: 0xffff_ffff }),
    update: fc.integer({ min: 1, max: 1000 }),
    rate: fc.double({ min: 0, max: 1, noNaN: true }),
    gateMode: fc.constantFrom(...gateModes),
    sampling: fc.constantFrom<Method['sampling']>('exact', 'bernoulli'),
    excludeJustRemoved: fc.boolean(),
  })
  .map(({ seed, update, rate, ...method }) => contextOf({ seed, update, rate }, method));
