import type { RunTableRow } from '../../shared/run-table';
import { dateAndTime, duration, integer, magnitude, nats, orDash, perplexity, shortNumber } from '../parts/format';

/** A column of the table of runs. Those without `text` are drawn by RunRow. */
export interface Column {
  readonly id: string;
  readonly title: string;
  /** The least it takes, in pixels; what is left over is shared out to those that grow. */
  readonly width: number;
  readonly grows?: number;
  readonly isNumber?: boolean;
  /** What it is sorted by; nothing known comes last, whichever way. */
  readonly key?: (row: RunTableRow) => number | string | null;
  readonly text?: (row: RunTableRow) => string;
  /** Shown unless somebody chooses otherwise. */
  readonly usual: boolean;
}

export const columns: readonly Column[] = [
  { id: 'name', title: 'Run', width: 124, grows: 2, key: ({ name }) => name, usual: true },
  { id: 'state', title: 'State', width: 92, key: ({ state }) => state, usual: true },
  { id: 'model', title: 'Model', width: 104, key: ({ model }) => model, text: ({ model }) => model, usual: false },
  {
    id: 'method',
    title: 'Method',
    width: 72,
    key: ({ method }) => method,
    text: ({ method }) => method,
    usual: true,
  },
  number(
    'density',
    'Density',
    66,
    ({ density }) => density,
    (value) => value.toFixed(3),
    true,
  ),
  {
    id: 'corpus',
    title: 'Corpus',
    width: 76,
    key: ({ corpus }) => corpus,
    text: ({ corpus }) => corpus,
    usual: true,
  },
  number('seed', 'Seed', 60, ({ seed }) => seed, String, false),
  { id: 'progress', title: 'Progress', width: 178, grows: 1, key: ({ progress }) => progress, usual: true },
  { id: 'validation', title: 'Validation', width: 104, usual: true },
  number('best', 'Best valid ppl', 102, ({ bestValidationPerplexity }) => bestValidationPerplexity, perplexity, true),
  number('test', 'Test ppl', 76, ({ testPerplexity }) => testPerplexity, perplexity, true),
  number('loss', 'Loss', 70, ({ loss }) => loss, nats, false),
  number('speed', 'Words/s', 80, ({ tokensPerSecond }) => tokensPerSecond, integer, true),
  number('parameters', 'Parameters', 92, ({ parameters }) => parameters, magnitude, false),
  number('active', 'Active', 72, ({ activeParameters }) => activeParameters, magnitude, true),
  number('flops', 'FLOPs', 84, ({ flops }) => flops, magnitude, false),
  number(
    'flopsOfDense',
    'FLOPs × dense',
    104,
    ({ flopsOfDense }) => flopsOfDense,
    (value) => value.toFixed(3),
    false,
  ),
  number('step', 'Step', 80, ({ step }) => step, integer, false),
  number('duration', 'Duration', 96, ({ durationMs }) => durationMs, duration, false),
  { ...number('created', 'Created', 132, ({ created }) => created, dateAndTime, false), isNumber: false },
  {
    id: 'tags',
    title: 'Tags',
    width: 120,
    key: ({ tags }) => tags.join(' '),
    text: ({ tags }) => tags.join(', '),
    usual: false,
  },
  number('rate', 'Learning rate', 96, ({ config }) => rateOf(config.optimizer), shortNumber, false),
  { id: 'actions', title: 'Actions', width: 128, usual: true },
];

export const usualColumns = columns.filter(({ usual }) => usual).map(({ id }) => id);

const checkWidth = 34;

/** The same grid for the header and every row, whatever they hold. */
export function gridOf(shown: readonly Column[]): { template: string; minWidth: string } {
  const tracks = shown.map(({ width, grows = 0 }) => (grows === 0 ? `${width}px` : `minmax(${width}px, ${grows}fr)`));
  const least = shown.reduce((sum, { width }) => sum + width, checkWidth);
  return { template: [`${checkWidth}px`, ...tracks].join(' '), minWidth: `${least}px` };
}

/** Rows in order: `created`, or `-created` from the highest down. Equal ones stay as they were. */
export function sorted(rows: readonly RunTableRow[], by: string): RunTableRow[] {
  const falls = by.startsWith('-');
  const key = columns.find(({ id }) => id === by.replace(/^-/, ''))?.key;
  if (key === undefined) return [...rows];
  const order = falls ? -1 : 1;
  return rows
    .map((row) => [row, key(row)] as const)
    .sort(([, a], [, b]) => {
      if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
      if (a === b) return 0;
      return (
        (typeof a === 'string' && typeof b === 'string'
          ? a.localeCompare(b, 'en', { numeric: true })
          : a < b
            ? -1
            : 1) * order
      );
    })
    .map(([row]) => row);
}

function number(
  id: string,
  title: string,
  width: number,
  key: (row: RunTableRow) => number | null,
  format: (value: number) => string,
  usual: boolean,
): Column {
  return { id, title, width, isNumber: true, key, text: (row) => orDash(key(row), format), usual };
}

function rateOf({ kind, learningRate, adam }: RunTableRow['config']['optimizer']): number {
  return kind === 'adam' ? adam.learningRate : learningRate;
}
