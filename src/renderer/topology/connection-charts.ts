import type { Line } from '../charts/curves';
import type { ChartOption } from '../charts/echarts';
import type { ChartTheme } from '../charts/theme';
import { integer, percent } from '../parts/format';
import { agesOfBin, type ConnectionRow } from '../../shared/topology';
import { scaled } from '../../shared/topology-distance';

/** Rows of the network as a whole, or of a layer, in order. */
export function rowsOf(rows: readonly ConnectionRow[], layer: string | null): ConnectionRow[] {
  return rows.filter((row) => row.layer === layer);
}

/** The network, and a layer beside it. */
export function lifeLines(
  rows: readonly ConnectionRow[],
  layer: string,
  of: (row: ConnectionRow) => number,
  theme: ChartTheme,
): Line[] {
  return [
    line('network', theme.text, rowsOf(rows, null), of),
    line('layer', theme.accent, rowsOf(rows, layer), of),
  ].filter(({ series }) => series.x.length > 0);
}

/** Distances to the start, of a layer also to the topology before, and what the network would be apart from its start by chance. */
export function distanceLines(rows: readonly ConnectionRow[], layer: string, theme: ChartTheme): Line[] {
  const byUpdate = Map.groupBy(
    rows.filter((row) => row.layer !== null),
    ({ update }) => update,
  );
  const chance = (row: ConnectionRow) => chanceToStart(byUpdate.get(0) ?? [], byUpdate.get(row.update) ?? []);
  return [
    ...lifeLines(rows, layer, ({ toStart }) => toStart, theme),
    { ...line('previous', theme.accent, rowsOf(rows, layer).slice(1), ({ toPrevious }) => toPrevious), dashed: true },
    { ...line('by chance', theme.muted, rowsOf(rows, null), chance), dashed: true },
  ];
}

/** Of masks drawn anew with the densities that layers have now: connections of all layers are counted together. */
function chanceToStart(first: readonly ConnectionRow[], now: readonly ConnectionRow[]): number {
  let [both, either] = [0, 0];
  now.forEach(({ active, size }, i) => {
    const before = first[i].active / size;
    const density = active / size;
    both += before * density * size;
    either += (before + density - before * density) * size;
  });
  return scaled(both, either);
}

/** How old active connections are, in bins that grow; those of the first masks apart. */
export function ageOption({ update, ages, active, sinceStart }: ConnectionRow, theme: ChartTheme): ChartOption {
  const words = ages.map((_, bin) => {
    const [from, to] = agesOfBin(bin);
    return from === to ? String(from) : `${from}–${Math.min(to, update)}`;
  });
  const last = ages.length - 1;
  const grown = ages.map((count, bin) => (bin === last ? count - sinceStart : count));
  const start = ages.map((_, bin) => (bin === last ? sinceStart : 0));
  const text = (name: string, count: number) =>
    `${name}: ${integer(count)} connections, ${percent(share(count, active))}`;
  const bars = (name: string, counts: readonly number[], color: string) => ({
    type: 'bar' as const,
    name,
    stack: 'ages',
    barCategoryGap: '20%',
    itemStyle: { color },
    data: counts.map((count) => share(count, active)),
  });
  const label = { color: theme.muted, fontFamily: theme.mono, fontSize: 10 };
  return {
    grid: { left: 52, right: 16, top: 20, bottom: 40 },
    tooltip: {
      trigger: 'item',
      appendTo: 'body',
      transitionDuration: 0,
      backgroundColor: theme.panel,
      borderColor: theme.line,
      textStyle: { color: theme.text, fontFamily: theme.font, fontSize: 12 },
      formatter: (told) => {
        const { dataIndex, seriesIndex } = told as unknown as { dataIndex: number; seriesIndex: number };
        const box = document.createElement('span');
        box.textContent =
          seriesIndex === 0
            ? text('since the start', start[dataIndex])
            : text(`grown ${words[dataIndex]} updates ago`, grown[dataIndex]);
        return box;
      },
    },
    xAxis: {
      type: 'category',
      data: words,
      name: 'age in topology updates',
      nameLocation: 'middle',
      nameGap: 24,
      nameTextStyle: { color: theme.muted, fontSize: 11 },
      axisLabel: label,
      axisLine: { show: false },
      axisTick: { show: false },
    },
    yAxis: {
      type: 'value',
      axisLabel: { ...label, formatter: percent },
      splitLine: { lineStyle: { color: theme.line } },
    },
    series: [
      {
        ...bars('since the start', start, theme.faint),
        label: {
          show: true,
          position: 'insideBottom',
          color: theme.text,
          fontFamily: theme.mono,
          fontSize: 10,
          formatter: ({ value }) => (Number(value) > 0.08 ? 'since the start' : ''),
        },
      },
      bars('grown', grown, theme.accent),
    ],
  };
}

function line(name: string, colour: string, rows: readonly ConnectionRow[], of: (row: ConnectionRow) => number): Line {
  return { id: name, name, colour, series: { x: rows.map(({ update }) => update), y: rows.map(of), marks: [] } };
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
