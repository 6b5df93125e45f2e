import { UserError } from '../../shared/errors.js';
import type { ModelConfig } from '../../shared/model-config.js';
import type { LayerDistance, NetworkDistance } from '../../shared/topology.js';
import { chanceDistance } from '../../shared/topology-distance.js';
import type { LayerBits } from '../../system/mask-file.js';
import { countOf } from './bits.js';
import { editDistance } from './distance.js';
import { matchUnits, reordered } from './matching.js';
import { unitsOf } from './units.js';

/**
 * How far apart the masks of two networks of one shape are, layer by layer; of the network it is the mean over layers. Matched, it is what
 * is left when units have been put where they fit best, and no more than without.
 * @throws UserError where the shapes differ, or matching would take too long
 */
export function networkDistance(
  a: readonly LayerBits[],
  b: readonly LayerBits[],
  model: ModelConfig,
  withMatching: boolean,
): NetworkDistance {
  refuseOtherShapes(a, b);
  const distances = (others: readonly LayerBits[]) => a.map(({ bits }, i) => editDistance(bits, others[i].bits));
  const plain = distances(b);
  let matched: number[] | undefined;
  if (withMatching) {
    const units = unitsOf(
      a.map(({ layer }) => layer),
      model,
    );
    matched = distances(reordered(b, units, matchUnits(a, b, units)));
    // Each group is matched by what comes in: of masks that overlap anyway the outcome may be worse than leaving all in their places.
    if (mean(matched) > mean(plain)) matched = plain;
  }
  const layers = a.map(({ layer, bits }, i): LayerDistance => {
    const size = layer.rows * layer.columns;
    const chance = chanceDistance(countOf(bits) / size, countOf(b[i].bits) / size);
    return { layer: layer.name, distance: plain[i], matched: matched?.[i] ?? null, chance };
  });
  return {
    layers,
    distance: mean(plain),
    matched: matched === undefined ? null : mean(matched),
    chance: mean(layers.map(({ chance }) => chance)),
  };
}

function refuseOtherShapes(a: readonly LayerBits[], b: readonly LayerBits[]): void {
  const words = ({ layer: { name, rows, columns } }: LayerBits) => `${name} (${rows} x ${columns})`;
  const differs = a.findIndex((one, i) => i >= b.length || words(one) !== words(b[i]));
  if (differs < 0 && a.length === b.length) return;
  const [first, second] = [a.at(differs), b.at(differs)].map((one) => (one === undefined ? 'nothing' : words(one)));
  throw new UserError(
    `one run has ${first} where the other has ${second}: only networks of one shape have a distance, so choose runs of one model and corpus`,
  );
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / Math.max(1, numbers.length);
}
