import { randomBytes } from 'node:crypto';
import { compareRuns } from '../../shared/comparison.js';
import { csvLines, type CsvTable } from '../../shared/csv.js';
import type { Export } from '../../shared/contract/exports.js';
import type { AskedTable } from '../../shared/contract/tables.js';
import { assertNever, UserError } from '../../shared/errors.js';
import { tableRow, type RunTableRow } from '../../shared/run-table.js';
import type { TableReport } from '../../shared/tables/report.js';
import { comparisonTable, longCurves, runsTable, sparsityTable, wideCurves } from '../store/exports.js';
import { reportTable } from '../store/table-export.js';
import type { ReadableStore } from '../store/store.js';
import type { States } from './states.js';

/** What a piece holds at least, unless it is the last: enough for few messages, and little enough for an owner at work. */
const pieceLength = 256 * 1024;
const idleMs = 60_000;
const mostOpen = 32;

interface Open {
  readonly lines: Iterator<string>;
  readonly forget: NodeJS.Timeout;
}

/** Tables that are being read, piece by piece. */
export class Exports {
  readonly #store: ReadableStore;
  readonly #states: States;
  readonly #report: (asked: AskedTable) => Promise<TableReport>;
  readonly #open = new Map<string, Open>();

  constructor(store: ReadableStore, states: States, report: (asked: AskedTable) => Promise<TableReport>) {
    this.#store = store;
    this.#states = states;
    this.#report = report;
  }

  /** @throws UserError where a run is not there */
  async open(request: Export): Promise<string> {
    if (this.#open.size >= mostOpen) throw new UserError(`${mostOpen} tables are being written: wait for one to end`);
    const table =
      request.table === 'published' ? reportTable(await this.#report(request.asked)) : this.#tableOf(request);
    const lines = csvLines(table);
    const id = randomBytes(8).toString('hex');
    const forget = setTimeout(() => this.#open.delete(id), idleMs).unref();
    this.#open.set(id, { lines, forget });
    return id;
  }

  read(id: string): { text: string; done: boolean } {
    const open = this.#open.get(id);
    if (open === undefined) throw new UserError('this table is written, or was not read for a minute: export it again');
    open.forget.refresh();
    let text = '';
    while (text.length < pieceLength) {
      const next = open.lines.next();
      if (next.done === true) {
        clearTimeout(open.forget);
        this.#open.delete(id);
        return { text, done: true };
      }
      text += next.value;
    }
    return { text, done: false };
  }

  #tableOf(request: Exclude<Export, { table: 'published' }>): CsvTable {
    for (const id of request.runs) this.#store.runs.get(id); // before anything is written
    switch (request.table) {
      case 'runs':
        return runsTable(request.runs.map((id) => this.#row(id)));
      case 'curves': {
        const { runs, metrics, form } = request;
        return form === 'long' ? longCurves(this.#store, runs, metrics) : wideCurves(this.#store, runs, metrics);
      }
      case 'sparsity':
        return sparsityTable(this.#store, request.runs);
      case 'comparison': {
        const { baseline } = request;
        const [first, ...others] = request.runs.map((id) => ({
          row: this.#row(id),
          validation: this.#store.metrics.values(id, 'validationPerplexity'),
        }));
        if ((first as typeof first | undefined) === undefined)
          throw new UserError('name a run or more to compare them');
        return comparisonTable(compareRuns([first, ...others], baseline === undefined ? {} : { baseline }));
      }
      default:
        return assertNever(request);
    }
  }

  #row(id: string): RunTableRow {
    const record = this.#store.runs.get(id);
    return tableRow(record, this.#states.of(record));
  }
}
