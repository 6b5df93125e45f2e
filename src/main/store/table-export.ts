import type { TableReport } from '../../shared/tables/report.js';
import type { CsvTable } from '../../shared/csv.js';

/** A table of the field, a line for each run, with what is said of its row in every line. */
export function reportTable({ table, scale, rows }: TableReport): CsvTable {
  const ofRun = [
    'table',
    'scale',
    'row',
    'title',
    'seed',
    'run',
    'state',
    'validation',
    'test',
    'minutes',
    'not_informative',
  ];
  const ofRow = ['validation_mean', 'validation_sd', 'test_mean', 'test_sd', 'published_validation', 'published_test'];
  const lines = rows.flatMap(({ name, title, runs, validation, test, parameters, published }) =>
    runs.map((run) => [
      ...[
        table,
        scale,
        name,
        title,
        run.seed,
        run.id,
        run.state,
        run.validation,
        run.test,
        run.minutes,
        run.uninformative,
      ],
      ...[validation?.mean ?? null, validation?.sd ?? null, test?.mean ?? null, test?.sd ?? null],
      ...[published?.validation ?? null, published?.test ?? null],
      ...[parameters?.active ?? null, parameters?.total ?? null],
    ]),
  );
  return { header: [...ofRun, ...ofRow, 'active_parameters', 'parameters'], rows: lines };
}
