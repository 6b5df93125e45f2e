import { Command } from 'commander';
import { UserError } from '../../../shared/errors.js';
import { gateBreakdown, type GateDensity } from '../../../shared/gate-breakdown.js';
import type { ConnectionRow, TopologyDistance } from '../../../shared/topology.js';
import { pairsOf, pairsOverTime, spread, type Pair } from '../../../shared/topology-pairs.js';
import { connectionsTable, distancesTable } from '../../../shared/topology-tables.js';
import type { ReadableStore } from '../../store/store.js';
import { writeTable } from './export.js';
import { readRunsNamed, withStore } from './read-runs.js';
import { integer, list, percent, table } from './text.js';

interface TopologyOptions {
  readonly overTime?: true;
  readonly matching: boolean;
  readonly csv?: string;
  readonly json?: true;
}

/** `sparrow topology ID [ID...] [--over-time] [--no-matching] [--csv FILE] [--json]` */
export function topologyCommand(): Command {
  return new Command('topology')
    .description(
      'Say what became of the connections of a run: gates, age, turnover, exploration; or how far the topologies of several are apart.',
    )
    .argument('<id...>', 'the runs')
    .option('--over-time', 'compare each run with the first one, and with its own start, from update to update')
    .option('--no-matching', 'compare as they are, without matching the units of one network with the other’s')
    .option('--csv <file>', 'as CSV; - is standard output')
    .option('--json', 'as JSON')
    .action(async (ids: string[], options: TopologyOptions) => {
      const names = [...new Set(ids)];
      await readRunsNamed(names);
      const work = (store: ReadableStore) => {
        if (options.overTime === true) return compared(store, pairsOverTime(names, lastOf(store)), options.matching);
        return names.length === 1
          ? { connections: store.topology.connections(names[0]), gates: gateBreakdown(store.sparsity.rows(names[0])) }
          : compared(store, pairsOf(names), options.matching);
      };
      const told = withStore(work)!;
      if (options.json === true) process.stdout.write(`${JSON.stringify(told)}\n`);
      else if (options.csv === undefined) {
        if ('gates' in told) process.stdout.write(lifeOf(told.connections, told.gates));
        else
          process.stdout.write(options.overTime === true ? overTime(told.distances) : matrices(names, told.distances));
      }
      if (options.csv === undefined) return;
      const { csv } = options;
      await writeTable(csv, () =>
        'gates' in told
          ? connectionsTable([{ run: names[0], rows: told.connections }])
          : distancesTable(told.distances),
      );
    });
}

/** Large networks take seconds each: on a terminal it is told which is at hand. */
function compared(store: ReadableStore, pairs: readonly Pair[], matching: boolean): { distances: TopologyDistance[] } {
  const { isTTY } = process.stderr;
  const distances = pairs.map(([a, b], i) => {
    if (isTTY) process.stderr.write(`\rcomparing ${i + 1} of ${pairs.length}`);
    return store.topology.distance(a, b, matching);
  });
  if (isTTY) process.stderr.write(`\r${' '.repeat(40)}\r`);
  return { distances };
}

function lastOf(store: ReadableStore) {
  return (run: string) => store.sparsity.rows(run).at(-1)?.update ?? 0;
}

function lifeOf(rows: readonly ConnectionRow[], gates: readonly GateDensity[]): string {
  const whole = rows.filter(({ layer }) => layer === null);
  const now = whole.at(-1);
  if (now === undefined) throw new UserError('this run has told no topology yet: wait until it has begun to train');
  const chosen = spread(whole.length - 1).map((i) => whole[i]);
  const ofLayers = rows.filter(({ layer, update }) => layer !== null && update === now.update);
  return [
    list([
      ['updates', `${integer(now.update)}, the last one after epoch ${now.epoch}`],
      ['density', percent(now.active / now.size)],
      ['explored', `${percent(now.everActive / now.size)} of all positions (in-time over-parameterisation rate)`],
      ['since the start', `${percent(share(now.sinceStart, now.active))} of the connections, without a break`],
      ['age', `${now.meanAge.toFixed(1)} updates in the mean, median ${now.medianAge}`],
    ]),
    table([
      ['update', 'epoch', 'removed', 'grown', 'explored', 'since start', 'mean age', 'to start', 'to previous'],
      ...chosen.map((row) => [String(row.update), String(row.epoch), ...figuresOf(row)]),
    ]),
    table([
      ['layer now', 'density', 'removed', 'grown', 'explored', 'since start', 'mean age', 'to start', 'to previous'],
      ...ofLayers.map((row) => [row.layer!, percent(row.active / row.size), ...figuresOf(row)]),
    ]),
    gateTable(gates),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function figuresOf(row: ConnectionRow): string[] {
  return [
    ...[row.removed, row.grown].map(integer),
    percent(row.everActive / row.size),
    percent(share(row.sinceStart, row.active)),
    row.meanAge.toFixed(1),
    ...[row.toStart, row.toPrevious].map((distance) => distance.toFixed(3)),
  ];
}

function gateTable(gates: readonly GateDensity[]): string {
  if (gates.length === 0) return '';
  const side = { input: 'all input to hidden', recurrent: 'all hidden to hidden' };
  const matrices = (of: GateDensity['side']) =>
    new Set(gates.filter((row) => row.side === of).map(({ layer }) => layer));
  const isTold = (row: GateDensity) => row.layer !== null || matrices(row.side).size > 2; // a sum of one is no news
  return table([
    ['density of gates', 'at first', 'now', 'change'],
    ...gates
      .filter(isTold)
      .map((row) => [
        `${row.layer ?? side[row.side]}${row.gate === null ? '' : ` ${row.gate}`}`,
        ...[row.first, row.last].map(percent),
        `${row.last >= row.first ? '+' : ''}${percent(row.last - row.first)}`,
      ]),
  ]);
}

/** Every pair of runs, without matching and, where that was done, with it. */
function matrices(runs: readonly string[], distances: readonly TopologyDistance[]): string {
  const between = (a: string, b: string) =>
    distances.find((one) => (one.a.run === a && one.b.run === b) || (one.a.run === b && one.b.run === a));
  const matrix = (title: string, of: (distance: TopologyDistance) => number | null) =>
    table([
      [title, ...runs],
      ...runs.map((run) => [
        run,
        ...runs.map((other) => {
          const value = run === other ? 0 : of(between(run, other)!);
          return value === null ? '-' : value.toFixed(3);
        }),
      ]),
    ]);
  return [
    matrix('distance', ({ distance }) => distance),
    ...(distances.some(({ matched }) => matched !== null) ? [matrix('matched', ({ matched }) => matched)] : []),
    matrix('by chance', ({ chance }) => chance),
  ].join('\n');
}

function overTime(distances: readonly TopologyDistance[]): string {
  const shown = (value: number | null) => (value === null ? '-' : value.toFixed(3));
  return table([
    ['from', 'update', 'to', 'update', 'distance', 'matched', 'by chance'],
    ...distances.map(({ a, b, distance, matched, chance }) => [
      ...[a.run, String(a.update), b.run, String(b.update)],
      ...[distance, matched, chance].map(shown),
    ]),
  ]);
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
