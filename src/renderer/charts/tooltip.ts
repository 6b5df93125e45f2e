/** What ECharts tells a formatter of one line at the crosshair; its types leave it open. */
interface Told {
  readonly seriesName?: string;
  readonly seriesId?: string;
  readonly color?: unknown;
  readonly name?: string;
  readonly value?: unknown;
  readonly componentSubType?: string;
}

const mostLines = 20;

/** A tooltip made of elements, so that no name can be markup. */
export function tooltipOf(title: string, xFormat: (x: number) => string, yFormat: (y: number) => string) {
  return (told: unknown): HTMLElement => {
    const all = (Array.isArray(told) ? told : [told]) as readonly Told[];
    const shown = all.filter(
      ({ seriesId = '' }) => seriesId !== 'rug' && seriesId !== 'words' && !seriesId.endsWith(' raw'),
    );
    const box = document.createElement('div');
    const x = numberAt(shown[0]?.value, 0);
    box.append(
      element('div', `${title}${x === undefined ? '' : xFormat(x)}`, 'color: var(--muted); margin-bottom: 2px'),
    );
    const seen = new Set<string>();
    for (const { seriesId = '', seriesName = '', color, value, name, componentSubType } of shown.slice(0, mostLines)) {
      if (seen.has(seriesId)) continue;
      seen.add(seriesId);
      const row = element('div', '', 'display: flex; gap: 8px; align-items: center');
      const dot = element('span', '', 'width: 9px; height: 9px; border-radius: 50%; flex: none');
      if (typeof color === 'string') dot.style.background = color;
      const y = numberAt(value, 1);
      const text = componentSubType === 'scatter' ? (name ?? '') : y === undefined ? '' : yFormat(y);
      row.append(dot, element('span', seriesName, 'max-width: 260px; overflow: hidden; text-overflow: ellipsis'));
      row.append(element('b', text, 'margin-left: auto; font-family: var(--mono); font-weight: 500'));
      box.append(row);
    }
    if (shown.length > mostLines)
      box.append(element('div', `and ${shown.length - mostLines} more`, 'color: var(--muted)'));
    return box;
  };
}

function numberAt(value: unknown, index: number): number | undefined {
  const found: unknown = Array.isArray(value) ? value[index] : undefined;
  return typeof found === 'number' ? found : undefined;
}

function element(tag: 'div' | 'span' | 'b', text: string, style: string): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  made.style.cssText = style;
  return made;
}
