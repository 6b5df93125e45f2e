import { UserError } from '../../shared/errors.js';

/**
 * A text as `batch` streams side by side (algorithm page 1.2): the text is cut into that many equal parts, what does not
 * fill a row is left off, and row r holds word r of every part. The order is never shuffled.
 */
export class Streams {
  readonly rows: number;
  readonly batch: number;
  /** [rows, batch] */
  readonly #ids: Int32Array;

  constructor(ids: Int32Array, batch: number) {
    this.batch = batch;
    this.rows = Math.floor(ids.length / batch);
    this.#ids = new Int32Array(this.rows * batch);
    for (let row = 0; row < this.rows; row++) {
      for (let stream = 0; stream < batch; stream++) this.#ids[row * batch + stream] = ids[stream * this.rows + row]!;
    }
  }

  /** Words that are predicted: all but the first row. */
  get predicted(): number {
    return Math.max(0, this.rows - 1) * this.batch;
  }

  /**
   * Words of `length` rows from `start` and, as targets, the words one row later; both step by step.
   */
  window(start: number, length: number): { inputs: Int32Array; targets: Int32Array; batch: number } {
    const { batch } = this;
    const inputs = this.#ids.slice(start * batch, (start + length) * batch);
    const targets = this.#ids.slice((start + 1) * batch, (start + length + 1) * batch);
    return { inputs, targets, batch };
  }

  /** Where the windows of fixed length begin; the last one may be shorter. */
  windows(bptt: number): { start: number; length: number }[] {
    const windows = [];
    for (let start = 0; start < this.rows - 1; start += bptt) {
      windows.push({ start, length: Math.min(bptt, this.rows - 1 - start) });
    }
    return windows;
  }
}

/**
 * @param what the text, for the error
 * @param batch number of streams, and the field that says so
 * @throws UserError where the text does not fill one window
 */
export function streamsOf(
  what: string,
  ids: Int32Array,
  batch: { readonly field: string; readonly streams: number },
  bptt: number,
): Streams {
  const streams = new Streams(ids, batch.streams);
  if (streams.rows > bptt) return streams;
  const needed = `${batch.streams} streams of ${bptt} steps and the next word need ${batch.streams * (bptt + 1)}`;
  const most = Math.floor(ids.length / (bptt + 1));
  const remedy = most > 0 ? `${batch.field} to at most ${most}` : `training.bptt to less than ${ids.length}`;
  throw new UserError(`${what} is shorter than one window: it has ${ids.length} words, ${needed}; lower ${remedy}`);
}
