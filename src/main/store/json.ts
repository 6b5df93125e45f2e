import { damagedRow } from './errors.js';

/**
 * JSON that keeps NaN and the infinities, which JSON has no words for: as `{"$number":"NaN"}`.
 */
export function encode(value: unknown): string {
  const text = JSON.stringify(value);
  // Only what is null may have been another number; a replacer makes this several times slower.
  return text.includes('null') ? JSON.stringify(value, replace) : text;
}

function replace(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? { $number: String(value) } : value;
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
