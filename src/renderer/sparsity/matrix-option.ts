import type { ChartOption } from '../charts/echarts';
import type { ChartTheme } from '../charts/theme';
import { integer, percent } from '../parts/format';
import { layerWords, type Cell, type Measure } from './history';

const whole = 'all';

export const measureWords: Readonly<Record<Measure, string>> = {
  density: 'density',
  change: 'change since the start',
  removed: 'removed by this update',
  grown: 'grown by this update',
};

/** The heat map of layers by gates. @param extent of the values over all updates, so that the slider does not change colours */
export function matrixOption(
  cells: readonly Cell[],
  gates: readonly string[],
  measure: Measure,
  extent: readonly [number, number],
  theme: ChartTheme,
): ChartOption {
  const layers = [...new Set(cells.map(({ layer }) => layer))];
  const columns = [whole, ...gates];
  const [low, high] = extent;
  const data = cells
    .filter(({ value }) => value !== null)
    .map(({ layer, gate, value, active, size }) => {
      const depth = measure === 'change' ? Math.abs(value!) / high : (value! - low) / Math.max(1e-9, high - low);
      return {
        value: [columns.indexOf(gate ?? whole), layers.indexOf(layer), value!],
        name: `${layerWords(layer)}, ${gate ?? 'all gates'}: ${integer(active)} of ${integer(size)} active`,
        label: { color: labelColour(depth, theme) },
      };
    });
  return {
    grid: { left: 128, right: 12, top: 28, bottom: 8 },
    tooltip: {
      appendTo: 'body',
      transitionDuration: 0,
      backgroundColor: theme.panel,
      borderColor: theme.line,
      textStyle: { color: theme.text, fontFamily: theme.font, fontSize: 12 },
      formatter: (told) => {
        const box = document.createElement('span');
        const { name, value } = told as unknown as { name: string; value: number[] };
        box.textContent = `${name} · ${measureWords[measure]} ${cellText(value[2], measure)}`;
        return box;
      },
    },
    xAxis: { ...axis(columns, theme), position: 'top' },
    yAxis: { ...axis(layers.map(layerWords), theme), inverse: true },
    visualMap: {
      show: false,
      type: 'continuous',
      min: low,
      max: high > low ? high : low + 1e-9,
      dimension: 2,
      inRange: {
        color: measure === 'change' ? [theme.bad, theme.panel, theme.accent] : [theme.accentSoft, theme.accent],
      },
    },
    series: [
      {
        type: 'heatmap',
        data,
        label: {
          show: true,
          fontFamily: theme.mono,
          fontSize: 11,
          formatter: ({ value }) => cellText((value as number[])[2], measure),
        },
        itemStyle: { borderColor: theme.panel, borderWidth: 3, borderRadius: 4 },
        emphasis: { itemStyle: { borderColor: theme.text } },
      },
    ],
  };
}

/** Readable on its cell. */
function labelColour(depth: number, { dark, text, panel }: ChartTheme): string {
  return depth > (dark ? 0.5 : 0.75) ? (dark ? '#06202b' : panel) : text;
}

export function cellText(value: number, measure: Measure): string {
  switch (measure) {
    case 'density':
      return value.toFixed(3);
    case 'change':
      return `${value > 0 ? '+' : value < 0 ? '−' : ''}${Math.abs(value).toFixed(3)}`;
    default:
      return percent(value);
  }
}

function axis(data: readonly string[], theme: ChartTheme) {
  return {
    type: 'category' as const,
    data: [...data],
    axisLine: { show: false },
    axisTick: { show: false },
    splitArea: { show: false },
    axisLabel: { color: theme.muted, fontFamily: theme.mono, fontSize: 11, interval: 0 },
  };
}
