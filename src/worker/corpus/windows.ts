import type { RunConfig } from '../../shared/run-config.js';
import { RandomStream } from '../random/random.js';
import type { Streams } from './batches.js';

/** A window of training text: rows `start .. start + length`, and the factor on the learning rate of its step. */
export interface TrainingWindow {
  readonly start: number;
  readonly length: number;
  readonly rate: number;
}

/**
 * The windows of one epoch of training: of fixed length, or of random ones (algorithm page 1.3, modes F and A).
 * @param epoch counts from 0
 */
export function trainingWindows(
  streams: Pick<Streams, 'rows' | 'windows'>,
  { seed, training }: Pick<RunConfig, 'seed' | 'training'>,
  epoch: number,
): TrainingWindow[] {
  const { bptt, windows, windowDelta } = training;
  if (windows === 'fixed') return streams.windows(bptt).map((window) => ({ ...window, rate: 1 }));
  const longest = windowDelta === 0 ? Infinity : bptt + windowDelta;
  return randomWindows(streams.rows, bptt, longest, new RandomStream(seed, 'windows', epoch));
}

/** Share of windows that are about bptt steps long, the others half of that; and the standard deviation of all. */
const mostlyLong = 0.95;
const deviation = 5;
const shortest = 5;

/**
 * Windows of random length, so that no word is always the first of one.
 *
 * S. Merity, N. Keskar, R. Socher: Regularizing and Optimizing LSTM Language Models. ICLR 2018.
 *
 *     base = bptt, or bptt / 2 for one window in twenty        L = max(5, trunc Normal(base, 5))        rate = L / bptt
 *
 * The last window of a text may be shorter than was drawn; its rate is that of the draw, as in the published code.
 */
function randomWindows(rows: number, bptt: number, longest: number, random: RandomStream): TrainingWindow[] {
  const windows: TrainingWindow[] = [];
  for (let start = 0; start < rows - 2;) {
    const base = random.next() < mostlyLong ? bptt : bptt / 2;
    const drawn = Math.min(longest, Math.max(shortest, Math.trunc(base + deviation * normal(random))));
    const length = Math.min(drawn, rows - 1 - start);
    windows.push({ start, length, rate: drawn / bptt });
    start += length;
  }
  return windows;
}

/** Standard normal: G. Box, M. Muller: A Note on the Generation of Random Normal Deviates. 1958. */
function normal(random: RandomStream): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.next()));
  return radius * Math.cos(2 * Math.PI * random.next());
}
