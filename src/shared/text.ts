/** Numbers as people read them, in a terminal and in the window. */

const integers = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 1234567 -> 1,234,567 */
export function integer(value: number): string {
  return integers.format(value);
}

/** A perplexity to four digits or so; one of a run that diverges may be of any size. */
export function perplexity(value: number): string {
  if (value >= 1e7 && Number.isFinite(value)) return value.toExponential(1);
  return value < 999.995 ? value.toFixed(2) : integer(value);
}

/** A loss in nats per word: 4.123, or 6.9e+29 of a run that diverges. */
export function nats(value: number): string {
  return value < 10_000 ? value.toFixed(3) : value.toExponential(1);
}

/** 0.3333 -> 33.3 % */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** 1234567 -> 1.2 MB */
export function bytes(value: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let scaled = value;
  let unit = 0;
  while (Number(scaled.toFixed(1)) >= 1000 && unit < units.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? scaled : scaled.toFixed(1)} ${units[unit]}`;
}
