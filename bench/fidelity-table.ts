import { markdownTable } from './markdown.js';
import { published, type Method } from './published.js';

/** A finished run. */
export interface Outcome {
  readonly method: Method;
  readonly seed: number;
  /** Validation perplexity after each epoch. */
  readonly validation: readonly number[];
  readonly test: number;
}

/** Ours of one method beside the published figures. */
export interface MethodSummary {
  readonly method: Method;
  readonly ours: number;
  readonly published: number;
  /** Ours over published, less 1. */
  readonly difference: number;
  readonly tolerance: number;
  readonly holds: boolean;
}

const mean = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

/** The figure by which a method is judged. */
export function figureOf({ method, validation }: Pick<Outcome, 'method' | 'validation'>): number {
  return published[method].figure === 'best' ? Math.min(...validation) : validation[validation.length - 1];
}

export function summariseMethod(method: Method, outcomes: readonly Outcome[]): MethodSummary {
  const { bySeed, tolerance } = published[method];
  const ours = mean(outcomes.filter((outcome) => outcome.method === method).map(figureOf));
  const theirs = mean(bySeed);
  const difference = ours / theirs - 1;
  return { method, ours, published: theirs, difference, tolerance, holds: Math.abs(difference) <= tolerance };
}

const percent = (share: number) => `${share < 0 ? '' : '+'}${(share * 100).toFixed(1)} %`;

/** Means and whether the bars hold, then each seed: on the terminal and in docs/fidelity.md. */
export function fidelityTables(outcomes: readonly Outcome[]): string {
  const methods = [...new Set(outcomes.map(({ method }) => method))];
  const means = methods.map((method) => {
    const { ours, published: theirs, difference, tolerance, holds } = summariseMethod(method, outcomes);
    return [
      `${method}, ${whichOf(method)}`,
      ...[theirs.toFixed(1), ours.toFixed(1), percent(difference), `${(tolerance * 100).toFixed(0)} %`],
      holds ? 'holds' : '**missed**',
    ];
  });
  const seeds = outcomes.map((outcome) => {
    const { method, seed, validation, test } = outcome;
    const best = Math.min(...validation);
    return [
      `${method}, seed ${seed}`,
      (published[method].bySeed as readonly number[])[seed - 1]?.toFixed(1) ?? '',
      figureOf(outcome).toFixed(1),
      ...[`${best.toFixed(1)} (${validation.indexOf(best) + 1})`, test.toFixed(1)],
    ];
  });
  const header = ['mean over seeds', 'published', 'ours', 'difference', 'within', ''];
  const headerOfSeeds = ['run', 'published', 'ours', 'best (epoch)', 'test'];
  return `${markdownTable(header, means)}\n${markdownTable(headerOfSeeds, seeds)}`;
}

function whichOf(method: Method): string {
  return published[method].figure === 'best' ? 'best epoch' : 'last epoch';
}

/** Validation perplexity epoch by epoch, a column a run. */
export function curves(outcomes: readonly Outcome[]): string {
  const epochs = Math.max(...outcomes.map(({ validation }) => validation.length));
  const rows = Array.from({ length: epochs }, (_, i) => [
    String(i + 1),
    ...outcomes.map(({ validation }) => validation[i]?.toFixed(1) ?? ''),
  ]);
  return markdownTable(['epoch', ...outcomes.map(({ method, seed }) => `${method} ${seed}`)], rows);
}
