/**
 * Extent and ticks of an axis. On a log axis ECharts has ticks at powers of ten only, of which a perplexity may see none; on any
 * axis it labels the ends, however odd they are.
 */
export interface Scale {
  readonly min: number;
  readonly max: number;
  readonly ticks: readonly number[];
}

/** @param room share of the extent to leave free at either end */
export function linearScale(values: Iterable<number>, room = 0.04): Scale | undefined {
  const extent = extentOf(values);
  if (extent === undefined) return undefined;
  const [low, high] = extent;
  const free = isWide(low, high) ? (high - low) * room : Math.abs(high) * 0.04 || 1;
  const [min, max] = [low - free, high + free];
  return { min, max, ticks: linearTicks(min, max) };
}

/** Multiples of 1, 2 or 5 times a power of ten, 3 to 7 of them. */
function linearTicks(min: number, max: number): number[] {
  const unit = 10 ** Math.floor(Math.log10((max - min) / 3));
  const step = [1, 2, 5, 10].map((digit) => digit * unit).find((size) => (max - min) / size <= 7) ?? unit * 10;
  const first = Math.ceil(min / step);
  return Array.from({ length: Math.floor(max / step) - first + 1 }, (_, i) => rounded((first + i) * step));
}

/** Of the values above 0: there is no place for others. */
export function logScale(values: Iterable<number>, room = 0.04): Scale | undefined {
  const extent = extentOf(values, (value) => value > 0);
  if (extent === undefined) return undefined;
  const [low, high] = extent;
  const factor = isWide(low, high) ? (high / low) ** room : 1.05;
  const [min, max] = [low / factor, high * factor];
  return { min, max, ticks: logTicks(min, max) };
}

const mantissas = [
  [1],
  [1, 3],
  [1, 2, 5],
  [1, 1.5, 2, 3, 5, 7],
  [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9],
];

/** Round numbers, 4 to 9 of them where the extent has so many. */
function logTicks(min: number, max: number): number[] {
  const candidates = mantissas.map((digits) => ticksOf(digits, min, max));
  const enough = candidates.find((ticks) => ticks.length >= 4) ?? candidates.at(-1)!;
  if (enough.length >= 3)
    return enough.length <= 9 ? enough : enough.filter((_, i) => i % Math.ceil(enough.length / 9) === 0);
  return linearTicks(min, max); // less than a factor of about 1.2
}

function ticksOf(digits: readonly number[], min: number, max: number): number[] {
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power++) {
    for (const digit of digits) {
      const tick = rounded(digit * 10 ** power);
      if (tick >= min && tick <= max) ticks.push(tick);
    }
  }
  return ticks;
}

/** Whether there is anything to divide; numbers that differ in their last digits have no ticks between them. */
function isWide(low: number, high: number): boolean {
  return high - low > 1e-8 * Math.max(Math.abs(low), Math.abs(high));
}

/** Without the dust of binary fractions. */
function rounded(value: number): number {
  return Number(value.toPrecision(10));
}

function extentOf(
  values: Iterable<number>,
  counts: (value: number) => boolean = () => true,
): [number, number] | undefined {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value) || !counts(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low > high ? undefined : [low, high];
}
