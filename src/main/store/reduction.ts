import { Summary } from './summary.js';

/** A line of points that were measured, with marks where the value is not finite. */
export interface ReducedLine {
  readonly steps: number[];
  readonly values: number[];
  readonly marks: { step: number; nan: number; plusInfinity: number; minusInfinity: number }[];
}

/**
 * Reduces a curve to at most `most` points: equal ranges of steps, of each its lowest and its highest point, and the first
 * and the last point of all. Nothing is averaged, so no spike is lost.
 *
 * @param parts of the curve, in order: single values, or summaries of steps
 * @param first the first point of the curve, which summaries do not hold
 */
export function reduce(
  parts: readonly Summary[],
  most: number,
  first: { readonly step: number; readonly value: number } | undefined,
): ReducedLine {
  const line = new Line();
  if (first !== undefined) line.add(first.step, first.value);
  const groups = groupsOf(parts, Math.max(1, Math.floor((most - 2) / 2)), most);
  for (const group of groups) {
    if (group.min !== null) {
      const ends = [
        [group.minStep!, group.min],
        [group.maxStep!, group.max!],
      ] as const;
      const [left, right] = ends[0][0] <= ends[1][0] ? ends : [ends[1], ends[0]];
      line.add(...left);
      line.add(...right);
    }
    const { markStep, nan, plusInfinity, minusInfinity } = group;
    if (markStep !== null) line.marks.push({ step: markStep, nan, plusInfinity, minusInfinity });
  }
  const last = groups.findLast(({ lastStep }) => lastStep !== null);
  if (last !== undefined) line.add(last.lastStep!, last.last!);
  return line;
}

class Line implements ReducedLine {
  readonly steps: number[] = [];
  readonly values: number[] = [];
  readonly marks: ReducedLine['marks'] = [];

  /** Adds a point that lies behind all others; the same one again counts once. */
  add(step: number, value: number): void {
    if (step === this.steps.at(-1) && value === this.values.at(-1)) return;
    this.steps.push(step);
    this.values.push(value);
  }
}

/** Merges parts into so many groups of equal width, unless there are few enough points without. */
function groupsOf(parts: readonly Summary[], count: number, most: number): readonly Summary[] {
  const points = parts.reduce((sum, part) => sum + Math.min(2, part.count), 0);
  const marked = parts.reduce((sum, part) => sum + (part.markStep === null ? 0 : 1), 0);
  if (points + 2 <= most && marked <= most) return parts;
  const from = placeOf(parts[0]);
  const width = (placeOf(parts.at(-1)!) - from + 1) / count;
  const groups: Summary[] = [];
  let current = -1;
  for (const part of parts) {
    const group = Math.floor((placeOf(part) - from) / width);
    if (group !== current) groups.push(new Summary());
    current = group;
    merge(groups.at(-1)!, part);
  }
  return groups;
}

function placeOf(part: Summary): number {
  return part.minStep ?? part.markStep!;
}

function merge(into: Summary, part: Summary): void {
  into.count += part.count;
  into.nan += part.nan;
  into.plusInfinity += part.plusInfinity;
  into.minusInfinity += part.minusInfinity;
  into.markStep ??= part.markStep;
  if (part.min === null) return;
  if (into.min === null || part.min < into.min) {
    into.min = part.min;
    into.minStep = part.minStep;
  }
  if (into.max === null || part.max! > into.max) {
    into.max = part.max;
    into.maxStep = part.maxStep;
  }
  into.last = part.last;
  into.lastStep = part.lastStep;
}
