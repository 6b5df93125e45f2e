/**
 * Measured numbers, which are not finite when a run diverges. JSON has no words for those and would write null: in JSON they
 * are the texts "NaN", "Infinity" and "-Infinity", in memory they are numbers. Only schemas turn texts into numbers, so that
 * a name that reads like one of these stays a name.
 */

/** A value as JSON can hold it: plain data in which numbers that are not finite are texts. */
export function jsonSafe(value: unknown): unknown {
  if (isNonFinite(value)) return String(value);
  if (Array.isArray(value)) return value.map(jsonSafe);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, jsonSafe(inner)]));
}

export function isNonFinite(value: unknown): value is number {
  return typeof value === 'number' && !Number.isFinite(value);
}
