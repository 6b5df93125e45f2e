import type { Line } from '../charts/curves';
import type { ChartTheme } from '../charts/theme';
import { sizeOf, type Update } from './history';

/** Density of each gate of a layer after each update; of the layer as a whole where it has no gates. */
export function densityLines(history: readonly Update[], layer: string, theme: ChartTheme): Line[] {
  const places = history.flatMap((update) => {
    const found = update.layers.find(({ name }) => name === layer);
    return found === undefined ? [] : [{ x: update.update, layer: found }];
  });
  const gates = places[0]?.layer.gates ?? [];
  if (gates.length < 2) {
    const y = places.map(({ layer: { active, ...rest } }) => active / sizeOf({ active, ...rest }));
    return places.length === 0
      ? []
      : [
          line(
            'all',
            'all',
            theme.accent,
            places.map(({ x }) => x),
            y,
          ),
        ];
  }
  return gates.map(({ name }, i) =>
    line(
      name,
      name,
      theme.gates[i % theme.gates.length],
      places.map(({ x }) => x),
      places.map(({ layer: { gates: now } }) => now[i].active / now[i].size),
    ),
  );
}

/** Share of the active weights that each update has replaced, over the whole network and in each layer. */
export function turnoverLines(history: readonly Update[], words: (layer: string) => string, theme: ChartTheme): Line[] {
  const updates = history.filter(({ update }) => update > 0);
  if (updates.length === 0) return [];
  const x = updates.map(({ update }) => update);
  const shares = (of: (update: Update) => readonly { removed: number; active: number; grown: number }[]) =>
    updates.map((update) => {
      const parts = of(update);
      const removed = parts.reduce((sum, part) => sum + part.removed, 0);
      const before = parts.reduce((sum, part) => sum + part.active - part.grown + part.removed, 0);
      return before === 0 ? 0 : removed / before;
    });
  return [
    line(
      'network',
      'whole network',
      theme.text,
      x,
      shares(({ layers }) => layers),
    ),
    ...updates[0].layers.map(({ name }, i) => ({
      ...line(
        name,
        words(name),
        theme.gates[i % theme.gates.length],
        x,
        shares(({ layers }) => layers.filter((layer) => layer.name === name)),
      ),
      dashed: true,
    })),
  ];
}

function line(id: string, name: string, colour: string, x: number[], y: number[]): Line {
  return { id, name, colour, series: { x, y, marks: [] } };
}
