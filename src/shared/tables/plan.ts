import type { RunView } from '../contract/contract.js';
import { UserError } from '../errors.js';
import type { RunConfig } from '../run-config.js';
import { runOf, taskFor, type Task } from './standing.js';
import {
  configOf,
  quickCorpora,
  quickCorpusAmong,
  usualSeeds,
  type Scale,
  type Table,
  type TableRow,
} from './table.js';

/** A run that a table needs, and what is to be done about it. */
export interface PlannedRun {
  readonly row: TableRow;
  readonly config: RunConfig;
  readonly view: RunView | undefined;
  readonly task: Task;
}

/**
 * The rows of a table on the texts that are here.
 * @param corpora their names, without the built-in language
 */
export function rowsAt(table: Table, scale: Scale, corpora: readonly string[]): readonly TableRow[] {
  return scale === 'quick' ? table.quick(quickCorpusAmong(corpora)) : table.full;
}

/**
 * All runs of a table, the first seed of every row before the second of any: a table that is half done compares all rows.
 * @throws UserError naming the corpus that is not here
 */
export function planOf(
  table: Table,
  scale: Scale,
  seeds: number,
  { corpora, views }: { readonly corpora: readonly string[]; readonly views: readonly RunView[] },
): PlannedRun[] {
  const rows = rowsAt(table, scale, corpora);
  const plan = Array.from({ length: seeds }, (_, index) =>
    rows.map((row) => {
      const config = configOf(table, scale, row, index);
      const view = runOf(config, views);
      return { row, config, view, task: taskFor(view) };
    }),
  ).flat();
  const absent = plan.find(
    ({ config: { corpus }, task }) =>
      task !== 'nothing' && corpus.name !== 'built-in' && !corpora.includes(corpus.name),
  );
  if (absent === undefined) return plan;
  const { name } = absent.config.corpus;
  throw new UserError(
    `${table.id} at ${scale} scale is trained on ${name}, which is not here: "sparrow data fetch ${name}" first`,
  );
}

/** What a table asks for with its usual seeds; how long an epoch takes depends on the machine, and on the row. */
export function costOf(table: Table, scale: Scale): { rows: number; runs: number; epochs: number } {
  const rows = rowsAt(table, scale, quickCorpora);
  const seeds = usualSeeds(table, scale);
  const epochs = rows.reduce((sum, row) => sum + configOf(table, scale, row, 0).training.epochs, 0);
  return { rows: rows.length, runs: rows.length * seeds, epochs: epochs * seeds };
}
