import { UserError } from '../../shared/errors.js';
import type { RunConfig } from '../../shared/run-config.js';
import { RandomWords } from '../random/random.js';
import { Pattern } from './pattern.js';
import { ascending } from './pattern.js';
import { smallest } from './selection.js';

type Shape = readonly [rows: number, columns: number];

/** How the density of a network is shared out over its layers. */
type Initialiser = (density: number, shapes: readonly Shape[]) => number[];

/** The same density in each layer. */
export const uniform: Initialiser = (density, shapes) => shapes.map(() => density);

/**
 * Erdős-Rényi: the density of a layer is proportional to (rows + columns) / (rows columns).
 *
 * D. C. Mocanu et al.: Scalable training of artificial neural networks with adaptive sparse connectivity, 2018. In closed
 * form, ε = d ΣN / Σ(rows + columns); a layer that would be more than full is made dense and the rest shared out again, as
 * RigL does (algorithm page 3.4, G7).
 */
export const erdosRenyi: Initialiser = (density, shapes) => {
  const full = shapes.map(() => false);
  for (;;) {
    let budget = 0;
    let perimeter = 0;
    shapes.forEach(([rows, columns], i) => {
      budget += full[i] ? -(1 - density) * rows * columns : density * rows * columns;
      perimeter += full[i] ? 0 : rows + columns;
    });
    const epsilon = budget / perimeter;
    const densities = shapes.map(([rows, columns], i) =>
      full[i] ? 1 : (epsilon * (rows + columns)) / (rows * columns),
    );
    const overfull = densities.findIndex((layer) => layer > 1);
    if (overfull < 0) return densities;
    densities.forEach((layer, i) => (full[i] = full[i] || layer > 1));
  }
};

const initialisers: Record<RunConfig['method']['initialiser'], Initialiser> = { uniform, er: erdosRenyi };

/** Density of each matrix. */
export function initialDensities(
  { density, initialiser }: Pick<RunConfig['method'], 'density' | 'initialiser'>,
  shapes: readonly Shape[],
): number[] {
  return initialisers[initialiser](density, shapes);
}

/**
 * The masks a run starts with, one for each matrix.
 * @throws UserError where a layer would have no active weight at all
 */
export function initialPatterns(
  matrices: readonly { readonly name: string; readonly shape: Shape }[],
  config: RunConfig['method'],
  seed: number,
): Pattern[] {
  const { density, sampling } = config;
  const densities = initialDensities(
    config,
    matrices.map(({ shape }) => shape),
  );
  return matrices.map(({ name, shape: [rows, columns] }, layer) => {
    const words = new RandomWords(seed, 'topology', layer).words(rows * columns);
    const positions =
      sampling === 'exact'
        ? smallest(words, Math.round(densities[layer] * rows * columns))
        : ascending(rows * columns).filter((position) => words[position] < densities[layer] * 2 ** 32);
    if (positions.length === 0) {
      const rule = `leaves no active weight in ${name} (${rows} x ${columns}): raise it or enlarge the model`;
      throw new UserError(`method.density: ${density} ${rule}`);
    }
    return Pattern.fromPositions(rows, columns, positions);
  });
}
