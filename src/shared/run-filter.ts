import { UserError } from './errors.js';
import { parseRunConfig } from './run-config.js';
import type { RunTableRow } from './run-table.js';

/**
 * The one-line filter of the table of runs: `method:selfish density<0.5 tag:paper -state:failed night`.
 *
 * A run must fit every term. `FIELD:VALUE` compares; several values are separated by commas, and `*` stands for anything;
 * numbers and dates also take `<`, `<=`, `>`, `>=`. A hyphen before a term turns it round. What names no field is looked for
 * in id, name, note, tags, model, method and corpus. What has spaces or colons in it stands in double quotes.
 */
export type RunFilter = (row: RunTableRow) => boolean;

interface Field {
  readonly kind: 'text' | 'number' | 'date';
  readonly values: (row: RunTableRow) => readonly unknown[];
}

const one = (value: (row: RunTableRow) => unknown) => (row: RunTableRow) => [value(row)];
const text = (value: (row: RunTableRow) => unknown): Field => ({ kind: 'text', values: one(value) });
const number = (value: (row: RunTableRow) => unknown): Field => ({ kind: 'number', values: one(value) });

const fields: Readonly<Record<string, Field>> = {
  id: text((row) => row.id),
  name: text((row) => row.name),
  state: text((row) => row.state),
  tag: { kind: 'text', values: (row) => row.tags },
  note: text((row) => row.note),
  model: text((row) => row.model),
  method: text((row) => row.method),
  corpus: text((row) => row.corpus),
  density: number((row) => row.density),
  seed: number((row) => row.seed),
  step: number((row) => row.step),
  epoch: number((row) => row.epoch),
  loss: number((row) => row.loss),
  valid: number((row) => row.bestValidationPerplexity), // perplexity
  test: number((row) => row.testPerplexity),
  speed: number((row) => row.tokensPerSecond),
  parameters: number((row) => row.parameters),
  minutes: number((row) => row.durationMs / 60_000), // of training
  created: { kind: 'date', values: one((row) => row.created) },
};

/** @throws UserError naming the term that is not understood, and what would be */
export function parseRunFilter(expression: string): RunFilter {
  const terms = termsOf(expression).map(parseTerm);
  return (row) => terms.every((fits) => fits(row));
}

/** Words; a double quote begins or ends a part in which spaces do not count. */
function termsOf(expression: string): string[] {
  const terms = expression.match(/(?:"[^"]*"|[^\s"])+/g) ?? [];
  if ((expression.split('"').length - 1) % 2 === 1) throw new UserError(`${expression}: a double quote is not closed`);
  return terms;
}

function parseTerm(term: string): RunFilter {
  if (term.length > 1 && term.startsWith('-')) {
    const fits = parseTerm(term.slice(1));
    return (row) => !fits(row);
  }
  // A field, an operator outside quotes, and values.
  const parts = /^([A-Za-z][\w.]*)(<=|>=|:|<|>|=)(.*)$/s.exec(term);
  if (parts === null) return freeText(unquoted(term));
  const [, name, operator, value] = parts;
  return comparison(term, fieldNamed(name, term), operator === '=' ? ':' : operator, value);
}

function fieldNamed(name: string, term: string): Field {
  if (Object.hasOwn(fields, name)) return fields[name];
  const inConfig = valueAt(parseRunConfig({}), name);
  if (inConfig === undefined || typeof inConfig === 'object') {
    const known = `${Object.keys(fields).join(', ')}, and those of configurations such as training.batch`;
    throw new UserError(
      `${term}: there is no field ${name}; the fields are ${known} (to look for text, quote it: "${term}")`,
    );
  }
  const values = one((row) => valueAt(row.config, name));
  return { kind: typeof inConfig === 'number' ? 'number' : 'text', values };
}

function valueAt(config: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (value, key) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, key)
          ? (value as Record<string, unknown>)[key]
          : undefined,
      config,
    );
}

function comparison(term: string, field: Field, operator: string, value: string): RunFilter {
  const wanted = valuesOf(value);
  if (wanted.length === 0) throw new UserError(`${term}: a value is missing`);
  if (field.kind === 'text') {
    if (operator !== ':') throw new UserError(`${term}: texts are compared with ":", not "${operator}"`);
    const patterns = wanted.map(pattern);
    return (row) => field.values(row).some((found) => patterns.some((fits) => fits.test(String(found))));
  }
  const read = field.kind === 'date' ? dateOf : numberOf;
  const ranges = wanted.map((one) => read(one, term));
  const fits = compare(operator);
  return (row) =>
    field.values(row).some((found) => typeof found === 'number' && ranges.some((range) => fits(found, range)));
}

/** A number, or the whole of a day. */
interface Extent {
  readonly from: number;
  /** The last one that belongs to it. */
  readonly to: number;
}

function compare(operator: string): (found: number, { from, to }: Extent) => boolean {
  switch (operator) {
    case '<':
      return (found, { from }) => found < from;
    case '<=':
      return (found, { to }) => found <= to;
    case '>':
      return (found, { to }) => found > to;
    case '>=':
      return (found, { from }) => found >= from;
    default:
      return (found, { from, to }) => found >= from && found <= to;
  }
}

function numberOf(word: string, term: string): Extent {
  const value = word.trim() === '' ? NaN : Number(word);
  if (Number.isNaN(value)) throw new UserError(`${term}: ${JSON.stringify(word)} is not a number`);
  return { from: value, to: value };
}

function dateOf(word: string, term: string): Extent {
  const day = /^\d{4}-\d{2}-\d{2}$/.test(word);
  const from = day ? new Date(`${word}T00:00:00`).getTime() : NaN;
  if (Number.isNaN(from)) throw new UserError(`${term}: ${JSON.stringify(word)} is no day: write it as 2026-11-24`);
  const next = new Date(from);
  next.setDate(next.getDate() + 1); // days are 23 to 25 hours long
  return { from, to: next.getTime() - 1 };
}

function freeText(word: string): RunFilter {
  const wanted = word.toLowerCase();
  return ({ id, name, note, tags, model, method, corpus }) =>
    [id, name, note, ...tags, model, method, corpus].some((found) => found.toLowerCase().includes(wanted));
}

/** Values between commas, of which those in quotes do not count. */
function valuesOf(value: string): string[] {
  const values = value.match(/(?:"[^"]*"|[^,"])+/g) ?? [];
  return values.map(unquoted).filter((word) => word !== '');
}

function unquoted(word: string): string {
  return word.replaceAll('"', '');
}

/** The whole text, upper or lower case, with `*` for anything. */
function pattern(word: string): RegExp {
  const parts = word.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('.*')}$`, 'is');
}
