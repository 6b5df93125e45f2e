import { computed } from 'vue';
import { useTheme } from '../stores/theme';

/** Colours and type of charts, from the same tokens as everything else. */
export interface ChartTheme {
  readonly dark: boolean;
  readonly panel: string;
  readonly line: string;
  readonly text: string;
  readonly muted: string;
  readonly faint: string;
  readonly accent: string;
  readonly accentSoft: string;
  readonly bad: string;
  readonly mono: string;
  readonly font: string;
  /** By the place of the gate in its layer. */
  readonly gates: readonly string[];
}

export function useChartTheme() {
  const theme = useTheme();
  return computed((): ChartTheme => {
    const dark = theme.shown === 'dark'; // the variables below change with it
    const style = getComputedStyle(document.documentElement);
    const token = (name: string) => style.getPropertyValue(`--${name}`).trim();
    return {
      dark,
      ...{ panel: token('panel'), line: token('line'), text: token('text'), muted: token('muted') },
      ...{ faint: token('faint'), accent: token('accent'), accentSoft: token('accent-soft'), bad: token('bad') },
      ...{ mono: token('mono'), font: token('font') },
      gates: [1, 2, 3, 4, 5, 6].map((gate) => token(`gate-${gate}`)),
    };
  });
}
