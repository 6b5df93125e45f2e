import type { ChartOption } from '../charts/echarts';
import type { ChartTheme } from '../charts/theme';
import { integer, percent, shortNumber } from '../parts/format';
import type { Update } from './history';

type Magnitudes = NonNullable<Update['layers'][number]['magnitudes']>;

/** Magnitudes of a layer's active weights before the update, with what it removed marked off. */
export function distributionOption(
  { max, counts }: Magnitudes,
  threshold: number | undefined,
  theme: ChartTheme,
): ChartOption {
  const width = max / counts.length;
  const total = counts.reduce((sum, count) => sum + count, 0);
  return {
    grid: { left: 52, right: 16, top: 16, bottom: 40 },
    tooltip: {
      trigger: 'axis',
      appendTo: 'body',
      transitionDuration: 0,
      axisPointer: { type: 'none' },
      backgroundColor: theme.panel,
      borderColor: theme.line,
      textStyle: { color: theme.text, fontFamily: theme.font, fontSize: 12 },
      formatter: (told) => {
        const { value } = (Array.isArray(told) ? told[0] : told) as unknown as { value: [number, number] };
        const box = document.createElement('span');
        const [middle, count] = value;
        box.textContent = `${shortNumber(middle - width / 2)} to ${shortNumber(middle + width / 2)}: ${integer(count)} weights, ${percent(count / Math.max(1, total))}`;
        return box;
      },
    },
    xAxis: {
      type: 'value',
      min: 0,
      max,
      name: 'magnitude',
      nameLocation: 'middle',
      nameGap: 24,
      nameTextStyle: { color: theme.muted, fontSize: 11 },
      axisLabel: {
        color: theme.muted,
        fontFamily: theme.mono,
        fontSize: 10,
        formatter: shortNumber,
        showMaxLabel: false,
      },
      axisLine: { show: false },
      axisTick: { show: false },
      splitLine: { show: false },
    },
    yAxis: {
      type: 'value',
      axisLabel: { color: theme.muted, fontFamily: theme.mono, fontSize: 10, formatter: shortNumber },
      splitLine: { lineStyle: { color: theme.line } },
    },
    series: [
      {
        type: 'bar',
        barWidth: '96%',
        data: counts.map((count, i) => ({
          value: [(i + 0.5) * width, count],
          itemStyle: { color: threshold !== undefined && (i + 0.5) * width < threshold ? theme.faint : theme.accent },
        })),
        markLine: {
          silent: true,
          symbol: 'none',
          data:
            threshold === undefined
              ? []
              : [
                  {
                    xAxis: threshold,
                    lineStyle: { color: theme.muted, type: 'dotted' },
                    label: {
                      formatter: `removed below ${shortNumber(threshold)}`,
                      color: theme.muted,
                      fontFamily: theme.mono,
                      fontSize: 10,
                      position: 'insideEndTop',
                      rotate: 0,
                      align: 'left',
                      padding: [0, 0, 0, 4],
                    },
                  },
                ],
        },
      },
    ],
  };
}
