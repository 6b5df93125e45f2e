/**
 * Which positions of a weight matrix are active, in compressed sparse rows: what the kernels walk over, at two bytes per
 * active weight where the matrix has at most 65,536 columns. A position is a flat row-major index, row * columns + column;
 * values of a packed parameter lie in ascending order of position. Patterns never change: an update makes a new one.
 */
export class Pattern {
  readonly rows: number;
  readonly columns: number;
  /** Row r holds entries `rowStart[r] .. rowStart[r + 1]` of `column`. */
  readonly rowStart: Int32Array;
  /** Column of each active weight, ascending inside a row. */
  readonly column: Uint16Array | Uint32Array;

  private constructor(rows: number, columns: number, rowStart: Int32Array, column: Uint16Array | Uint32Array) {
    this.rows = rows;
    this.columns = columns;
    this.rowStart = rowStart;
    this.column = column;
  }

  /** @param positions ascending flat positions without duplicates */
  static fromPositions(rows: number, columns: number, positions: Int32Array): Pattern {
    const rowStart = new Int32Array(rows + 1);
    const column = columns <= 0x10000 ? new Uint16Array(positions.length) : new Uint32Array(positions.length);
    let row = 0;
    let previous = -1;
    for (let i = 0; i < positions.length; i++) {
      const position = positions[i];
      if (position <= previous || position >= rows * columns) {
        throw new RangeError(`position ${position} after ${previous} in a pattern of ${rows} x ${columns}`);
      }
      previous = position;
      while (position >= (row + 1) * columns) rowStart[++row] = i;
      column[i] = position - row * columns;
    }
    rowStart.fill(positions.length, row + 1);
    return new Pattern(rows, columns, rowStart, column);
  }

  static full(rows: number, columns: number): Pattern {
    return Pattern.fromPositions(rows, columns, ascending(rows * columns));
  }

  /** The inverse of `toBits`. */
  static fromBits(rows: number, columns: number, bits: Uint8Array): Pattern {
    const size = rows * columns;
    let count = 0;
    for (let i = 0; i < size; i++) count += (bits[i >> 3] >> (i & 7)) & 1;
    const positions = new Int32Array(count);
    let next = 0;
    for (let i = 0; i < size; i++) if ((bits[i >> 3] >> (i & 7)) & 1) positions[next++] = i;
    return Pattern.fromPositions(rows, columns, positions);
  }

  /** Number of active weights. */
  get count(): number {
    return this.column.length;
  }

  /** Number of positions, active or not. */
  get size(): number {
    return this.rows * this.columns;
  }

  /** Flat positions of the active weights, ascending. */
  positions(): Int32Array {
    const positions = new Int32Array(this.count);
    for (let row = 0; row < this.rows; row++) {
      const end = this.rowStart[row + 1];
      for (let i = this.rowStart[row]; i < end; i++) positions[i] = row * this.columns + this.column[i];
    }
    return positions;
  }

  /** Flat positions of the inactive weights, ascending. */
  inactivePositions(): Int32Array {
    return complement(this.positions(), this.size);
  }

  /** Bit i % 8 of byte floor(i / 8) is 1 where position i is active. */
  toBits(): Uint8Array {
    const bits = new Uint8Array(Math.ceil(this.size / 8));
    for (const position of this.positions()) bits[position >> 3] |= 1 << (position & 7);
    return bits;
  }

  /** 1 where a position is active, 0 elsewhere, row-major. */
  toMask(): Float32Array {
    const mask = new Float32Array(this.size);
    for (const position of this.positions()) mask[position] = 1;
    return mask;
  }
}

/** 0, 1, 2, ... */
export function ascending(count: number): Int32Array {
  const numbers = new Int32Array(count);
  for (let i = 0; i < count; i++) numbers[i] = i;
  return numbers;
}

/** The positions below `size` that are not in `positions` (ascending, so is the result). */
export function complement(positions: Int32Array, size: number): Int32Array {
  const rest = new Int32Array(size - positions.length);
  let next = 0;
  let taken = 0;
  for (let position = 0; position < size; position++) {
    if (positions[taken] === position) taken++;
    else rest[next++] = position;
  }
  return rest;
}
