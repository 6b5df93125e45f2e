import type { Pattern } from '../../sparsity/pattern.js';

/** What kernels need of a pattern beside itself: compressed columns, for products with the transposed matrix, and tiles. */
export interface ByColumn {
  /** Column c holds entries `columnStart[c] .. columnStart[c + 1]` of `row` and `source`. */
  readonly columnStart: Int32Array;
  /** Row of each active weight, ascending inside a column; as wide as the pattern's own indices. */
  readonly row: Uint16Array | Uint32Array;
  /** Index among the values, which lie by rows. */
  readonly source: Int32Array;
  /**
   * Entry at which each tile of each row begins, and of each column: [tiles + 1][rows] and [tiles + 1][columns]. Missing where lines
   * are so short that kernels go through them whole.
   */
  readonly rowTile: Int32Array | undefined;
  readonly columnTile: Int32Array | undefined;
}

/** Entries a line must have for tiles to pay: `shortRun` of native/src/kernels/sparse.inl. */
const shortRun = 16;

/** Columns (or rows) that kernels go through a matrix at a time: `tileUnits` of native/src/kernels.h. */
const tileUnits = 96;

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
  const rowTile = tilesOf(rowStart, column, columns);
  const turned = { columnStart, row, source, rowTile, columnTile: tilesOf(columnStart, row, rows) };
  known.set(pattern, turned);
  return turned;
}

/** Where in each line the indices of each tile begin: tile by tile, as products go. */
function tilesOf(start: Int32Array, index: Uint16Array | Uint32Array, units: number): Int32Array | undefined {
  const lines = start.length - 1;
  if (index.length < shortRun * lines) return undefined;
  const tiles = Math.ceil(units / tileUnits);
  const begin = new Int32Array((tiles + 1) * lines);
  for (let line = 0; line < lines; line++) {
    let entry = start[line];
    for (let tile = 0; tile <= tiles; tile++) {
      while (entry < start[line + 1] && index[entry] < tile * tileUnits) entry++;
      begin[tile * lines + line] = entry;
    }
  }
  return begin;
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
