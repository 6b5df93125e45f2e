import { munkres } from 'munkres';
import { UserError } from '../../shared/errors.js';
import type { LayerBits } from '../../system/mask-file.js';
import { countOfWord } from './bits.js';
import { scaled } from '../../shared/topology-distance.js';
import type { NetworkUnits, UnitGroup } from './units.js';

/** For each unit of a group in one network the one of the other that takes its place. */
export type Matching = ReadonlyMap<string, Int32Array>;

/** Above so many operations a comparison would take minutes; each takes about two nanoseconds. */
const mostOperations = 1.5e10;
/** Of a group: its matrix of costs is a square. */
const mostUnits = 4096;

/**
 * Matches the units of two networks of one shape by whom they are connected with, the Hungarian way: so that the connections that only one
 * of a pair has, as a share of those that either has, are fewest in sum. Groups are matched from the words upward, each by what comes in
 * from groups matched before; recurrent connections, which depend on the group's own matching, are taken into account by a second matching
 * after the first, which stands if it is better. Units that are nobody's target, such as word vectors, are matched by where they come from.
 *
 * S. Liu et al.: Topological Insights into Sparse Neural Networks. ECML-PKDD 2020 (neural network sparse topology distance, for
 * feed-forward networks; algorithm page 7.5).
 *
 * @throws UserError where that would take too long
 */
export function matchUnits(a: readonly LayerBits[], b: readonly LayerBits[], units: NetworkUnits): Matching {
  refuseTooMany(units, a);
  const matching = new Map<string, Int32Array>();
  for (const group of units.groups) {
    const first = matched(group, featuresOf(a, b, group, units, matching));
    matching.set(group.name, first);
    const isRecurrent = units.matrices.some(
      ({ rows, columns }) => columns === group.name && rows.some((block) => block.group === group.name),
    );
    if (!isRecurrent) continue;
    const byFirst = featuresOf(a, b, group, units, matching);
    const before = differing(first, byFirst);
    const second = matched(group, byFirst);
    matching.set(group.name, second);
    if (differing(second, featuresOf(a, b, group, units, matching)) > before) matching.set(group.name, first);
  }
  return matching;
}

/** The masks of the second network with its units where those of the first are that they were matched with. */
export function reordered(b: readonly LayerBits[], { matrices }: NetworkUnits, matching: Matching): LayerBits[] {
  return b.map(({ layer, bits }, i) => {
    const { rows, columns } = layer;
    const column = matching.get(matrices[i].columns);
    const result = new Uint8Array(bits.length);
    let row = 0;
    for (const block of matrices[i].rows) {
      const order = block.group === undefined ? undefined : matching.get(block.group);
      for (let unit = 0; unit < block.rows; unit++) {
        const from = (row + (order?.[unit] ?? unit)) * columns;
        const to = (row + unit) * columns;
        for (let c = 0; c < columns; c++) {
          const source = from + (column?.[c] ?? c);
          if (((bits[source >> 3] >> (source & 7)) & 1) === 1) result[(to + c) >> 3] |= 1 << ((to + c) & 7);
        }
      }
      row += block.rows;
    }
    return { layer: { ...layer, rows, columns }, bits: result };
  });
}

/** Whom each unit is connected with, [units, words of 32 bits], in either network and in the same order of neighbours. */
interface Features {
  readonly a: Uint32Array;
  readonly b: Uint32Array;
  readonly width: number;
}

function featuresOf(
  a: readonly LayerBits[],
  b: readonly LayerBits[],
  group: UnitGroup,
  { matrices }: NetworkUnits,
  matching: Matching,
): Features {
  const sources = sourcesOf(group, matrices, a, matching);
  const length = sources.reduce((sum, source) => sum + source.neighbours, 0);
  const width = Math.ceil(length / 32);
  const fill = (masks: readonly LayerBits[], isSecond: boolean) => {
    const words = new Uint32Array(group.size * width);
    let bit = 0;
    for (const { matrix, firstRow, neighbours, byColumn, order } of sources) {
      const { bits, layer } = masks[matrix];
      for (let n = 0; n < neighbours; n++, bit++) {
        const neighbour = isSecond ? (order?.[n] ?? n) : n;
        for (let unit = 0; unit < group.size; unit++) {
          const position = byColumn ? neighbour * layer.columns + unit : (firstRow + unit) * layer.columns + neighbour;
          if (((bits[position >> 3] >> (position & 7)) & 1) === 1) words[unit * width + (bit >> 5)] |= 1 << (bit & 31);
        }
      }
    }
    return words;
  };
  return { a: fill(a, false), b: fill(b, true), width };
}

interface Source {
  readonly matrix: number;
  /** Of the block, where units are rows. */
  readonly firstRow: number;
  readonly neighbours: number;
  /** Whether units are columns. */
  readonly byColumn: boolean;
  /** Of the second network's neighbours. */
  readonly order: Int32Array | undefined;
}

/** Blocks of rows that are the group's, of matrices whose columns are matched; where words have the group's units as columns, those. */
function sourcesOf(
  { name }: UnitGroup,
  matrices: NetworkUnits['matrices'],
  masks: readonly LayerBits[],
  matching: Matching,
): Source[] {
  const sources: Source[] = [];
  matrices.forEach(({ rows, columns }, matrix) => {
    const { layer } = masks[matrix];
    if (layer.name === 'embedding.weight' && columns === name) {
      sources.push({ matrix, firstRow: 0, neighbours: layer.rows, byColumn: true, order: undefined });
    }
    const order = matching.get(columns);
    let firstRow = 0;
    for (const block of rows) {
      if (block.group === name && order !== undefined)
        sources.push({ matrix, firstRow, neighbours: layer.columns, byColumn: false, order });
      firstRow += block.rows;
    }
  });
  return sources;
}

function matched({ size, exchange }: UnitGroup, features: Features): Int32Array {
  const order = new Int32Array(size);
  const degrees = [features.a, features.b].map((words) => degreesOf(words, size, features.width));
  for (let start = 0; start < size; start += exchange) {
    const units = Math.min(exchange, size - start);
    const costs = Array.from({ length: units }, (_, i) => costsOf(features, degrees, start + i, start, units));
    for (const [i, j] of munkres(costs)) order[start + i] = start + j;
  }
  return order;
}

/** Of a unit of the first network with each of a block of the second's. @param degrees connections of each unit, in either */
function costsOf(
  { a, b, width }: Features,
  [ofA, ofB]: readonly Int32Array[],
  unit: number,
  start: number,
  units: number,
): Float64Array {
  const costs = new Float64Array(units);
  for (let j = 0; j < units; j++) {
    let both = 0;
    const to = (start + j) * width;
    for (let word = unit * width, other = to; other < to + width; word++, other++) {
      both += countOfWord(a[word] & b[other]);
    }
    costs[j] = scaled(both, ofA[unit] + ofB[start + j] - both);
  }
  return costs;
}

function degreesOf(words: Uint32Array, units: number, width: number): Int32Array {
  const degrees = new Int32Array(units);
  words.forEach((word, i) => (degrees[Math.floor(i / width)] += countOfWord(word)));
  return degrees;
}

/** Connections that only one of each matched pair has. */
function differing(order: Int32Array, { a, b, width }: Features): number {
  let sum = 0;
  order.forEach((other, unit) => {
    for (let word = 0; word < width; word++) sum += countOfWord(a[unit * width + word] ^ b[other * width + word]);
  });
  return sum;
}

function refuseTooMany({ groups, matrices }: NetworkUnits, masks: readonly LayerBits[]): void {
  const largest = groups.reduce((most, { exchange }) => Math.max(most, exchange), 0);
  const operations = groups.reduce((sum, { name, size, exchange }) => {
    const neighbours = matrices.reduce((count, { rows, columns }, i) => {
      const { layer } = masks[i];
      const own = rows.filter((block) => block.group === name).length;
      return count + own * layer.columns + (layer.name === 'embedding.weight' && columns === name ? layer.rows : 0);
    }, 0);
    return sum + (2 * size * exchange * neighbours) / 32;
  }, 0);
  if (operations <= mostOperations && largest <= mostUnits) return;
  throw new UserError(
    `matching the ${largest} units of a layer would take ${operations.toExponential(1).replace('e+', 'e')} operations, more than ` +
      `${mostOperations.toExponential(1).replace('e+', 'e')} or ${mostUnits} units: compare these runs without matching`,
  );
}
