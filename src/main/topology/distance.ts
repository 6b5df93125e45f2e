import { scaled } from '../../shared/topology-distance.js';
import { overlapOf } from './bits.js';

/**
 * The edit distance of two sets of connections, scaled: those that only one has, by those that either has. 0 where they are the same, two
 * empty ones among them, and 1 where they have nothing in common.
 *
 * S. Liu et al.: Topological Insights into Sparse Neural Networks. ECML-PKDD 2020, as algorithm page 7.5 has it.
 */
export function editDistance(a: Uint8Array, b: Uint8Array): number {
  const { both, either } = overlapOf(a, b);
  return scaled(both, either);
}
