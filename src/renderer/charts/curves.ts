import type { LineSeriesOption } from 'echarts/charts';
import type { ReducedSeries } from '../../shared/series';
import type { ChartOption } from './echarts';
import { shortNumber } from '../parts/format';
import { linearScale, logScale, type Scale } from './scales';
import { smoothed } from './smoothing';
import type { ChartTheme } from './theme';
import { tooltipOf } from './tooltip';

/** A line of a chart of curves. */
export interface Line {
  readonly id: string;
  readonly name: string;
  readonly colour: string;
  readonly dashed?: boolean;
  readonly series: Pick<ReducedSeries, 'x' | 'y' | 'marks'>;
}

/** Something that happened at a place on the x axis. */
export interface Marker {
  readonly x: number;
  /** Said beside a dotted vertical; without a word it is a tick at the foot of the chart. */
  readonly word?: string;
  readonly colour?: string;
}

/** A level to compare with, such as a published perplexity. */
export interface Reference {
  readonly value: number;
  readonly word: string;
}

export interface CurveChart {
  readonly lines: readonly Line[];
  readonly xName: string;
  readonly yFormat?: (value: number) => string;
  readonly xFormat?: (value: number) => string;
  readonly logX?: boolean;
  readonly logY?: boolean;
  /** Weight of the moving average; 0 for none. */
  readonly smoothing?: number;
  readonly markers?: readonly Marker[];
  readonly references?: readonly Reference[];
  /** Whether each line says its name at its end: for a few lines that no table names. */
  readonly endLabels?: boolean;
  readonly theme: ChartTheme;
}

/** Pixels of the plot of a card, and of a name at the end of a line. */
const usualPlotHeight = 184;
const nameHeight = 12;

/** Curves: thin lines, faint grid, what is no number as crosses at the top, events as verticals with a word. */
export function curveOption(chart: CurveChart): ChartOption {
  const { lines, theme, xName, logX = false, logY = false, smoothing = 0, markers = [], references = [] } = chart;
  const { endLabels = false } = chart;
  const { yFormat = shortNumber, xFormat = shortNumber } = chart;
  const xs = scaleOf(
    logX,
    valuesOf(lines, ({ series }) => [...series.x, ...series.marks.map(({ x }) => x)]),
    0,
  );
  const ys = scaleOf(logY, [...valuesOf(lines, ({ series }) => series.y), ...references.map(({ value }) => value)]);
  const shifts = endLabels ? namesApart(lines, ys) : [];
  const drawn = lines.flatMap((line, i) =>
    lineSeries(line, smoothing, endLabels ? { theme, shift: shifts[i] } : undefined),
  );
  return {
    grid: { left: 52, right: endLabels ? roomForNames(lines) : 16, top: 16, bottom: 40 },
    tooltip: {
      trigger: 'axis',
      appendTo: 'body',
      transitionDuration: 0,
      backgroundColor: theme.panel,
      borderColor: theme.line,
      textStyle: { color: theme.text, fontFamily: theme.font, fontSize: 12 },
      axisPointer: { type: 'line', lineStyle: { color: theme.faint } },
      formatter: tooltipOf(`${xName} `, xFormat, yFormat),
    },
    xAxis: {
      ...axisOf(xs, logX, theme, xFormat),
      name: xName,
      nameLocation: 'middle',
      nameGap: 24,
      nameTextStyle: { color: theme.muted, fontFamily: theme.font, fontSize: 11 },
      splitLine: { show: false },
    },
    yAxis: [axisOf(ys, logY, theme, yFormat), { type: 'value', min: 0, max: 1, show: false }],
    dataZoom: [{ type: 'inside', xAxisIndex: 0, filterMode: 'none', zoomOnMouseWheel: 'ctrl' }],
    series: [...drawn, ...noNumbers(lines, theme), rug(markers, theme), lineOfWords(markers, references, xs, theme)],
  };
}

/** How far names at the ends of lines are moved down, in pixels, so that none lies on another. */
function namesApart(lines: readonly Line[], scale: Scale | undefined): number[] {
  const { min, max } = scale ?? { min: 0, max: 1 };
  const ends = lines.map(({ series }) => ((max - (series.y.at(-1) ?? min)) / (max - min)) * usualPlotHeight);
  const shifts = lines.map(() => 0);
  let free = -Infinity;
  for (const i of lines.map((_, at) => at).toSorted((a, b) => ends[a] - ends[b])) {
    shifts[i] = Math.max(0, free - ends[i]);
    free = ends[i] + shifts[i] + nameHeight;
  }
  return shifts;
}

/** In pixels, for names at the ends of lines. */
function roomForNames(lines: readonly Line[]): number {
  return Math.max(72, ...lines.map(({ name }) => 10 + 7 * name.length));
}

function lineSeries(
  { id, name, colour, dashed = false, series }: Line,
  smoothing: number,
  labelled?: { readonly theme: ChartTheme; readonly shift: number },
): LineSeriesOption[] {
  const pairs = (y: readonly number[]) => series.x.map((x, i) => [x, y[i]]);
  const base: LineSeriesOption = {
    type: 'line',
    name,
    showSymbol: series.x.length < 2,
    symbolSize: 5,
    sampling: 'none',
    itemStyle: { color: colour },
    emphasis: { disabled: true },
    ...(labelled === undefined
      ? {}
      : {
          endLabel: {
            ...{ show: true, formatter: name, offset: [0, labelled.shift] },
            ...{ color: labelled.theme.muted, fontFamily: labelled.theme.mono, fontSize: 11 },
          },
        }),
  };
  const style = { color: colour, width: 1.6, type: dashed ? ('dashed' as const) : ('solid' as const) };
  if (smoothing === 0) return [{ ...base, id, data: pairs(series.y), lineStyle: style }];
  return [
    {
      ...base,
      id: `${id} raw`,
      silent: true,
      tooltip: { show: false },
      data: pairs(series.y),
      lineStyle: { ...style, width: 1, opacity: 0.25 },
    },
    { ...base, id, data: pairs(smoothed(series.y, smoothing)), lineStyle: style },
  ];
}

/** NaN and infinity, as crosses on the upper edge in the colour of their line. */
function noNumbers(lines: readonly Line[], theme: ChartTheme): ChartOption['series'] & object[] {
  return lines
    .filter(({ series }) => series.marks.length > 0)
    .map(({ id, name, colour, series }) => ({
      type: 'scatter' as const,
      id: `${id} marks`,
      name,
      yAxisIndex: 1,
      symbol: 'path://M0,0 L2,0 L5,3 L8,0 L10,0 L6,5 L10,10 L8,10 L5,7 L2,10 L0,10 L4,5 Z',
      symbolSize: 9,
      itemStyle: { color: colour, borderColor: theme.bad },
      data: series.marks.map((mark) => ({ value: [mark.x, 0.97], name: wordOf(mark) })),
    }));
}

function wordOf({ nan, plusInfinity }: ReducedSeries['marks'][number]): string {
  return nan > 0 ? 'NaN' : plusInfinity > 0 ? 'Infinity' : '-Infinity';
}

function rug(markers: readonly Marker[], theme: ChartTheme) {
  return {
    type: 'scatter' as const,
    id: 'rug',
    yAxisIndex: 1,
    silent: true,
    symbol: 'rect',
    symbolSize: [1, 7] as [number, number],
    tooltip: { show: false },
    itemStyle: { color: theme.muted },
    data: markers.filter(({ word }) => word === undefined).map(({ x }) => [x, 0.012]),
  };
}

/** Carries verticals and levels, which belong to no line. */
function lineOfWords(
  markers: readonly Marker[],
  references: readonly Reference[],
  xs: Scale | undefined,
  theme: ChartTheme,
): LineSeriesOption {
  const isFarRight = (x: number) => xs !== undefined && x > xs.min + 0.6 * (xs.max - xs.min);
  const label = { color: theme.muted, fontFamily: theme.mono, fontSize: 10 };
  return {
    type: 'line',
    id: 'words',
    data: [],
    silent: true,
    tooltip: { show: false },
    markLine: {
      silent: true,
      symbol: 'none',
      data: [
        ...markers
          .filter(({ word }) => word !== undefined)
          .map(({ x, word = '', colour = theme.muted }) => ({
            xAxis: x,
            lineStyle: { color: colour, type: 'dotted' as const, width: 1 },
            label: {
              ...label,
              formatter: word,
              position: 'insideEndTop' as const,
              rotate: 0,
              align: isFarRight(x) ? ('right' as const) : ('left' as const),
              padding: [0, 4],
            },
          })),
        ...references.map(({ value, word }) => ({
          yAxis: value,
          lineStyle: { color: theme.muted, type: 'dashed' as const, width: 1 },
          label: { ...label, formatter: word, position: 'insideEndTop' as const },
        })),
      ],
    },
  };
}

function axisOf(scale: Scale | undefined, log: boolean, theme: ChartTheme, format: (value: number) => string) {
  const { min, max, ticks } = scale ?? { min: 0, max: 1, ticks: [] };
  const customValues = [...ticks];
  return {
    type: log && scale !== undefined ? ('log' as const) : ('value' as const),
    ...{ min, max },
    axisLine: { show: false },
    axisTick: { show: false, customValues },
    axisLabel: { color: theme.muted, fontFamily: theme.mono, fontSize: 10, formatter: format, customValues },
    splitLine: { lineStyle: { color: theme.line }, customValues },
  };
}

function scaleOf(log: boolean, values: Iterable<number>, room?: number): Scale | undefined {
  return log ? logScale(values, room) : linearScale(values, room);
}

function valuesOf(lines: readonly Line[], of: (line: Line) => readonly number[]): number[] {
  return lines.flatMap((line) => [...of(line)]);
}
