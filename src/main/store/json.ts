import { jsonSafe } from '../../shared/numbers.js';
import { damagedRow } from './errors.js';

/** JSON in which numbers that are not finite are texts (`shared/numbers.ts`); schemas make numbers of them again. */
export function encode(value: unknown): string {
  const text = JSON.stringify(value);
  // Only what is null may have been another number; looking at every value makes this several times slower.
  return text.includes('null') ? JSON.stringify(jsonSafe(value)) : text;
}

/**
 * @param what names the row, for the error
 * @throws UserError where the text is no JSON
 */
export function decode(text: unknown, what: string): unknown {
  if (typeof text !== 'string') throw damagedRow(what, 'a text is missing');
  try {
    return JSON.parse(text);
  } catch {
    throw damagedRow(what, `${text.slice(0, 40)} is no JSON`);
  }
}
