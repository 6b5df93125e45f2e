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

interface Counts {
  readonly active: number;
  readonly removed: number;
  readonly grown: number;
}

/** Share of its active weights that each update has removed, of a layer as a whole and of each of its gates. */
export function turnoverLines(history: readonly Update[], layer: string, theme: ChartTheme): Line[] {
  const places = history.flatMap((update) => {
    const found = update.layers.find(({ name }) => name === layer);
    return found === undefined || update.update === 0 ? [] : [{ x: update.update, layer: found }];
  });
  if (places.length === 0) return [];
  const x = places.map((place) => place.x);
  const whole = line(
    'all',
    'all',
    theme.text,
    x,
    places.map((place) => removedShare(place.layer)),
  );
  const gates = places[0].layer.gates.length < 2 ? [] : places[0].layer.gates;
  return [
    { ...whole, dashed: gates.length > 0 },
    ...gates.map(({ name }, i) =>
      line(
        name,
        name,
        theme.gates[i % theme.gates.length],
        x,
        places.map((place) => removedShare(place.layer.gates[i])),
      ),
    ),
  ];
}

/** Of those that were active before the update. */
function removedShare({ active, removed, grown }: Counts): number {
  const before = active - grown + removed;
  return before === 0 ? 0 : removed / before;
}

function line(id: string, name: string, colour: string, x: number[], y: number[]): Line {
  return { id, name, colour, series: { x, y, marks: [] } };
}
