import type { RunEventOf } from '../../shared/run-events';
import type { StoredEvent } from '../../shared/run-records';

/** The topology of a run after each update, the initial one first. */
export type Update = Omit<RunEventOf<'sparsity'>, 'type'>;
type Layer = Update['layers'][number];

export function historyOf(events: readonly StoredEvent[]): Update[] {
  return events.flatMap(({ event }) => (event.type === 'sparsity' ? [event] : []));
}

/** What a cell of the matrix shows. */
export const measures = ['density', 'change', 'removed', 'grown'] as const;
export type Measure = (typeof measures)[number];

export interface Cell {
  readonly layer: string;
  /** Null for the layer as a whole. */
  readonly gate: string | null;
  /** Null where there is nothing to measure. */
  readonly value: number | null;
  readonly active: number;
  readonly size: number;
}

/** Layers by gates at an update; `change` is against the initial topology, removed and grown are shares of the active weights. */
export function cellsOf(history: readonly Update[], index: number, measure: Measure): Cell[] {
  const now = history[index];
  const first = history[0];
  return now.layers.flatMap((layer) => {
    const before = first.layers.find(({ name }) => name === layer.name);
    const whole = cell(layer, null, layer, sizeOf(layer), before, measure);
    if (layer.gates.length < 2) return [whole];
    return [
      whole,
      ...layer.gates.map((gate) =>
        cell(
          layer,
          gate.name,
          gate,
          gate.size,
          before?.gates.find(({ name }) => name === gate.name),
          measure,
        ),
      ),
    ];
  });
}

function cell(
  { name }: Layer,
  gate: string | null,
  counts: { readonly active: number; readonly removed: number; readonly grown: number },
  size: number,
  before: { readonly active: number } | undefined,
  measure: Measure,
): Cell {
  return { layer: name, gate, value: valueOf(counts, size, before, measure), active: counts.active, size };
}

function valueOf(
  { active, removed, grown }: { readonly active: number; readonly removed: number; readonly grown: number },
  size: number,
  before: { readonly active: number } | undefined,
  measure: Measure,
): number | null {
  switch (measure) {
    case 'density':
      return share(active, size);
    case 'change':
      return before === undefined ? null : share(active - before.active, size);
    case 'removed':
      return share(removed, active - grown + removed); // of those that were active before it
    case 'grown':
      return share(grown, active);
  }
}

export function sizeOf({ gates }: Layer): number {
  return gates.reduce((sum, { size }) => sum + size, 0);
}

/** Gates of all layers that have several, in the order of the model. */
export function gatesOf(update: Update): string[] {
  return [...new Set(update.layers.flatMap(({ gates }) => (gates.length < 2 ? [] : gates.map(({ name }) => name))))];
}

/** lstm.0.weight_hh -> layer 1 · recurrent */
export function layerWords(name: string): string {
  const recurrent = /^(\w+)\.(\d+)\.weight_(ih|hh)$/.exec(name);
  if (recurrent === null) return name.replace(/\.weight$/, '').replaceAll('_', ' ');
  return `layer ${Number(recurrent[2]) + 1} · ${recurrent[3] === 'ih' ? 'input' : 'recurrent'}`;
}

function share(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}
