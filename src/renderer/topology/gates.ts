import { gateBreakdown, type Counted, type GateDensity } from '../../shared/gate-breakdown';
import type { Line } from '../charts/curves';
import type { ChartTheme } from '../charts/theme';
import { sizeOf, type Update } from '../sparsity/history';

/** Layers and gates as rows: what the store makes of the same events. */
export function countedRows({ update, layers }: Update): Counted[] {
  return layers.flatMap((layer) => [
    { update, layer: layer.name, gate: null, size: sizeOf(layer), active: layer.active },
    ...layer.gates.map(({ name, size, active }) => ({ update, layer: layer.name, gate: name, size, active })),
  ]);
}

export function breakdownAt(history: readonly Update[], index: number): GateDensity[] {
  const now = countedRows(history[index]);
  return gateBreakdown(index === 0 ? now : [...countedRows(history[0]), ...now], history[index].update);
}

export const sideWords: Readonly<Record<GateDensity['side'], string>> = {
  input: 'input to hidden',
  recurrent: 'hidden to hidden',
};

/** Densities of all matrices of a side, gate by gate: recurrent ones as lines, those that read the layer below dashed. */
export function gateLines(history: readonly Update[], theme: ChartTheme): Line[] {
  const all = history.map((_, index) => breakdownAt(history, index).filter(isOfSide));
  const gates = [...new Set(all[0].map(({ gate }) => gate))].filter((gate) => gate !== null);
  const shown = all[0].filter(({ gate }) => gates.length === 0 || gate !== null);
  return shown.map(({ side, gate }) => ({
    id: `${side} ${gate ?? ''}`,
    name: `${gate ?? 'all'} ${side === 'input' ? 'ih' : 'hh'}`,
    colour: theme.gates[Math.max(0, gates.indexOf(gate ?? '')) % theme.gates.length],
    dashed: side === 'input',
    series: {
      x: history.map(({ update }) => update),
      y: all.map((told) => told.find((one) => one.side === side && one.gate === gate)!.last),
      marks: [],
    },
  }));
}

function isOfSide({ layer }: GateDensity): boolean {
  return layer === null;
}
