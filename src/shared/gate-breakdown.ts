import type { SparsityRow } from './run-records.js';

/** How dense a gate was at first and is after a later update: of one recurrent matrix, or of all that read the layer below or the state. */
export interface GateDensity {
  /** A matrix; or null for all of its side. */
  readonly layer: string | null;
  readonly side: 'input' | 'recurrent';
  /** Null for all gates. */
  readonly gate: string | null;
  readonly size: number;
  readonly first: number;
  readonly last: number;
}

export type Counted = Pick<SparsityRow, 'update' | 'layer' | 'gate' | 'size' | 'active'>;

/**
 * Where the weights of recurrent matrices went, gate by gate (algorithm page 7.4): each matrix, then all input-to-hidden and all
 * hidden-to-hidden ones. Gates whose sizes differ, as in an ON-LSTM, are taken as they are.
 * @param rows layers and gates after updates, in order
 * @param update which of them to compare with the first masks; the last, if not given
 */
export function gateBreakdown(rows: readonly Counted[], update = rows.at(-1)?.update ?? 0): GateDensity[] {
  const now = rows.filter((row) => row.update === update && sideOf(row.layer) !== undefined);
  const before = new Map(rows.filter((row) => row.update === 0).map((row) => [keyOf(row), row.active]));
  const counted = now.map((row) => ({ ...row, side: sideOf(row.layer)!, before: before.get(keyOf(row)) ?? 0 }));
  // A matrix of one gate is that gate.
  const gated = counted.filter(
    ({ layer, gate }) => gate === null || counted.filter((one) => one.layer === layer).length > 2,
  );
  const ofMatrices = gated.map((row) => density(row.layer, row.side, row.gate, [row]));
  const ofSides = [...Map.groupBy(gated, ({ side, gate }) => `${side} ${gate ?? ''}`).values()].map((all) =>
    density(null, all[0].side, all[0].gate, all),
  );
  return [...ofMatrices, ...ofSides.toSorted((a, b) => (a.side === b.side ? 0 : a.side === 'input' ? -1 : 1))];
}

function density(
  layer: string | null,
  side: GateDensity['side'],
  gate: string | null,
  rows: readonly { readonly size: number; readonly active: number; readonly before: number }[],
): GateDensity {
  const sum = (of: (row: (typeof rows)[number]) => number) => rows.reduce((total, row) => total + of(row), 0);
  const size = sum((row) => row.size);
  return { layer, side, gate, size, first: sum((row) => row.before) / size, last: sum((row) => row.active) / size };
}

/** Undefined of a matrix that is not recurrent. */
function sideOf(layer: string): GateDensity['side'] | undefined {
  if (/\.(weight_ih|input)/.test(layer)) return 'input';
  return /\.(weight_hh|recurrent)/.test(layer) ? 'recurrent' : undefined;
}

function keyOf({ layer, gate }: Counted): string {
  return `${layer} ${gate ?? ''}`;
}
