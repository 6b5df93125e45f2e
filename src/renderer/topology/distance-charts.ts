import type { Line } from '../charts/curves';
import type { ChartOption } from '../charts/echarts';
import type { ChartTheme } from '../charts/theme';
import type { LayerDistance, TopologyDistance } from '../../shared/topology';

export interface Named {
  readonly id: string;
  readonly name: string;
}

type Measured = Pick<LayerDistance, 'distance' | 'matched' | 'chance'>;

/** Of a layer; of the network where none is named. Undefined where the networks have no such layer. */
export function measured(told: TopologyDistance, layer: string): Measured | undefined {
  return layer === '' ? told : told.layers.find((one) => one.layer === layer);
}

/** With matching where that was asked for. */
export function shownDistance({ matched, distance }: Measured): number {
  return matched ?? distance;
}

export function between(told: readonly TopologyDistance[], one: string, other: string): TopologyDistance | undefined {
  return told.find(({ a, b }) => (a.run === one && b.run === other) || (a.run === other && b.run === one));
}

/** Every run with every other, as a heat map from 0, the same, to 1, nothing in common. */
export function distanceMatrix(
  runs: readonly Named[],
  told: readonly TopologyDistance[],
  layer: string,
  theme: ChartTheme,
): ChartOption {
  const cells = runs.flatMap((one, row) =>
    runs.flatMap((other, column) => {
      if (one.id === other.id) return [cell(column, row, 0, `${one.name} and itself`, theme)];
      const found = between(told, one.id, other.id);
      const here = found && measured(found, layer);
      if (found === undefined || here === undefined) return [];
      const updates = found.a.run === one.id ? [found.a.update, found.b.update] : [found.b.update, found.a.update];
      const words =
        `${one.name}, update ${updates[0]}, and ${other.name}, update ${updates[1]}: ${shownDistance(here).toFixed(3)}` +
        `${here.matched === null ? '' : ` matched, ${here.distance.toFixed(3)} as they are`}, by chance ${here.chance.toFixed(3)}`;
      return [cell(column, row, shownDistance(here), words, theme)];
    }),
  );
  const names = runs.map(({ name }) => name);
  const room = Math.min(160, 20 + 7 * Math.max(...names.map((name) => name.length)));
  return {
    grid: { left: room, right: 12, top: 28, bottom: 8 },
    tooltip: {
      appendTo: 'body',
      transitionDuration: 0,
      backgroundColor: theme.panel,
      borderColor: theme.line,
      textStyle: { color: theme.text, fontFamily: theme.font, fontSize: 12 },
      formatter: (at) => {
        const box = document.createElement('span');
        box.textContent = (at as unknown as { name: string }).name;
        return box;
      },
    },
    xAxis: { ...axis(names, theme, 120), position: 'top' },
    yAxis: { ...axis(names, theme, room - 12), inverse: true },
    visualMap: {
      show: false,
      type: 'continuous',
      min: 0,
      max: 1,
      dimension: 2,
      inRange: { color: [theme.accentSoft, theme.accent] },
    },
    series: [
      {
        type: 'heatmap',
        data: cells,
        label: {
          show: true,
          fontFamily: theme.mono,
          fontSize: 11,
          formatter: ({ value }) => (value as number[])[2].toFixed(3),
        },
        itemStyle: { borderColor: theme.panel, borderWidth: 3, borderRadius: 4 },
        emphasis: { itemStyle: { borderColor: theme.text } },
      },
    ],
  };
}

/** Two runs from each other and from their own starts, update by update, with what independent masks would be apart. */
export function distanceOverTime(
  told: readonly TopologyDistance[],
  [first, second]: readonly [string, string],
  layer: string,
  colours: readonly [string, string],
  theme: ChartTheme,
): Line[] {
  const line = (name: string, colour: string, of: (one: TopologyDistance) => boolean, value = shownDistance): Line => {
    const points = told.filter(of).flatMap((one) => {
      const here = measured(one, layer);
      return here === undefined ? [] : [{ x: one.b.update, y: value(here) }];
    });
    return { id: name, name, colour, series: { x: points.map(({ x }) => x), y: points.map(({ y }) => y), marks: [] } };
  };
  const isBetween = ({ a, b }: TopologyDistance) => a.run === first && b.run === second;
  const isOwn = (run: string) => (one: TopologyDistance) => one.a.run === run && one.b.run === run;
  return [
    line('A to B', theme.text, isBetween),
    { ...line('A to its start', colours[0], isOwn(first)) },
    { ...line('B to its start', colours[1], isOwn(second)) },
    { ...line('by chance', theme.muted, isBetween, ({ chance }) => chance), dashed: true },
  ].filter(({ series }) => series.x.length > 0);
}

function cell(column: number, row: number, value: number, name: string, { dark, text, panel }: ChartTheme) {
  const color = value > (dark ? 0.5 : 0.75) ? (dark ? '#06202b' : panel) : text;
  return { value: [column, row, value], name, label: { color } };
}

function axis(data: readonly string[], theme: ChartTheme, width: number) {
  return {
    type: 'category' as const,
    data: [...data],
    axisLine: { show: false },
    axisTick: { show: false },
    splitArea: { show: false },
    axisLabel: {
      ...{ color: theme.muted, fontFamily: theme.mono, fontSize: 11 },
      ...{ interval: 0, width, overflow: 'truncate' as const },
    },
  };
}
