import type { Pattern } from '../../sparsity/pattern.js';

/** A pattern by compressed columns: what products with the transposed matrix walk over. */
export interface ByColumn {
  /** Column c holds entries `columnStart[c] .. columnStart[c + 1]` of `row` and `source`. */
  readonly columnStart: Int32Array;
  /** Row of each active weight, ascending inside a column; as wide as the pattern's own indices. */
  readonly row: Uint16Array | Uint32Array;
  /** Index among the values, which lie by rows. */
  readonly source: Int32Array;
}

const known = new WeakMap<Pattern, ByColumn>();

/** Patterns never change, so each is turned once: when a topology update has made it. */
export function byColumn(pattern: Pattern): ByColumn {
  const found = known.get(pattern);
  if (found !== undefined) return found;
  const { rows, columns, rowStart, column, count } = pattern;
  const columnStart = new Int32Array(columns + 1);
  for (let i = 0; i < count; i++) columnStart[column[i] + 1]++;
  for (let c = 0; c < columns; c++) columnStart[c + 1] += columnStart[c];
  const next = columnStart.slice(0, columns);
  const row = wideIndices(pattern) ? new Uint32Array(count) : new Uint16Array(count);
  const source = new Int32Array(count);
  for (let r = 0; r < rows; r++) {
    for (let i = rowStart[r]; i < rowStart[r + 1]; i++) {
      const at = next[column[i]]++;
      row[at] = r;
      source[at] = i;
    }
  }
  const turned = { columnStart, row, source };
  known.set(pattern, turned);
  return turned;
}

/** Kernels take row and column indices of one width: 32 bits where either does not fit into 16. */
function wideIndices({ rows, columns }: Pattern): boolean {
  return Math.max(rows, columns) > 0x10000;
}

const widened = new WeakMap<Pattern, Uint32Array>();

/** The pattern's columns at the width of `byColumn`. */
export function columnIndices(pattern: Pattern): Uint16Array | Uint32Array {
  if (!wideIndices(pattern) || pattern.column instanceof Uint32Array) return pattern.column;
  let wide = widened.get(pattern);
  if (wide === undefined) widened.set(pattern, (wide = Uint32Array.from(pattern.column)));
  return wide;
}
