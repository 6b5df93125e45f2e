import type { CsvTable } from './csv.js';
import { gateBreakdown, type Counted } from './gate-breakdown.js';
import { agesOfBin, type ConnectionRow, type TopologyDistance } from './topology.js';

/** What is told of connections, as tables: the command line and the window write the same. */

type Column = readonly [name: string, of: (row: ConnectionRow) => string | number | null];

/** The connections of runs after each topology update; a line without a layer is the network as a whole. */
export function connectionsTable(
  runs: readonly { readonly run: string; readonly rows: readonly ConnectionRow[] }[],
): CsvTable {
  const bins = runs.reduce(
    (most, { rows }) => rows.reduce((longest, { ages }) => Math.max(longest, ages.length), most),
    0,
  );
  const columns: readonly Column[] = [
    ['update', (row) => row.update],
    ['step', (row) => row.step],
    ['epoch', (row) => row.epoch],
    ['layer', (row) => row.layer],
    ['size', (row) => row.size],
    ['active', (row) => row.active],
    ['removed', (row) => row.removed],
    ['grown', (row) => row.grown],
    ['since_start', (row) => row.sinceStart],
    ['in_start', (row) => row.inStart],
    ['ever_active', (row) => row.everActive],
    ['exploration_rate', (row) => row.everActive / row.size],
    ['mean_age', (row) => row.meanAge],
    ['median_age', (row) => row.medianAge],
    ['distance_to_start', (row) => row.toStart],
    ['distance_to_previous', (row) => row.toPrevious],
    ...Array.from({ length: bins }, (_, bin): Column => [ageColumn(bin), (row) => row.ages[bin] ?? null]),
  ];
  function* rows(): Generator<(string | number | null)[]> {
    for (const { run, rows: told } of runs)
      for (const row of told) yield [run, ...columns.map(([, value]) => value(row))];
  }
  return { header: ['run', ...columns.map(([name]) => name)], rows: rows() };
}

function ageColumn(bin: number): string {
  const [from, to] = agesOfBin(bin);
  return from === to ? `age_${from}` : `age_${from}_to_${to}`;
}

/** Distances between masks; a line without a layer is the mean over all. */
export function distancesTable(distances: Iterable<TopologyDistance>): CsvTable {
  function* rows(): Generator<(string | number | null)[]> {
    for (const { a, b, layers, ...whole } of distances) {
      for (const { layer, distance, matched, chance } of [{ layer: null, ...whole }, ...layers]) {
        yield [a.run, a.update, b.run, b.update, layer, distance, matched, chance];
      }
    }
  }
  const header = ['run', 'update', 'other_run', 'other_update', 'layer', 'distance', 'matched_distance', 'chance'];
  return { header, rows: rows() };
}

/** How dense gates are after each update, of every recurrent matrix and of each side; without a matrix it is the side's sum. */
export function gatesTable(run: string, rows: readonly Counted[]): CsvTable {
  const updates = [...Map.groupBy(rows, ({ update }) => update)];
  const first = updates[0]?.[1] ?? [];
  function* lines(): Generator<(string | number | null)[]> {
    for (const [update, now] of updates) {
      const told = gateBreakdown(update === 0 ? now : [...first, ...now], update);
      for (const { layer, side, gate, size, first: before, last } of told)
        yield [run, update, layer, side, gate, size, before, last];
    }
  }
  return { header: ['run', 'update', 'layer', 'side', 'gate', 'size', 'density_at_first', 'density'], rows: lines() };
}
