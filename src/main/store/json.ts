import { damagedRow } from './errors.js';

/**
 * JSON that keeps NaN and the infinities, which JSON has no words for: as `{"$number":"NaN"}`.
 */
export function encode(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'number' && !Number.isFinite(inner) ? { $number: String(inner) } : inner,
  );
}

/**
 * @param what names the row, for the error
 * @throws UserError where the text is no JSON
 */
export function decode(text: unknown, what: string): unknown {
  if (typeof text !== 'string') throw damagedRow(what, 'a text is missing');
  try {
    // Most texts hold no such number, and a reviver makes parsing several times slower.
    return text.includes('"$number"') ? JSON.parse(text, revive) : JSON.parse(text);
  } catch {
    throw damagedRow(what, `${text.slice(0, 40)} is no JSON`);
  }
}

function revive(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('$number' in value)) return value;
  return Number(value.$number);
}
