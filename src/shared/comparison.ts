import { differences } from './run-config.js';
import type { RunTableRow } from './run-table.js';

/** One run beside others. Null is not known. */
interface ComparedRun {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly bestValidationPerplexity: number | null;
  readonly testPerplexity: number | null;
  /** Best and test perplexity less those of the baseline: below 0 is better. */
  readonly bestDelta: number | null;
  readonly testDelta: number | null;
  /** For each asked perplexity the first step after which validation was at or below it, or null. */
  readonly stepsToReach: readonly (number | null)[];
}

export interface Comparison {
  readonly baseline: string;
  readonly reach: readonly number[];
  readonly runs: readonly ComparedRun[];
  /** Fields of the configuration that are not the same in all runs, with the value in each. */
  readonly differences: readonly { readonly field: string; readonly values: readonly unknown[] }[];
}

interface Candidate {
  readonly row: RunTableRow;
  /** Validation perplexity, in the order of steps. */
  readonly validation: Iterable<{ readonly step: number; readonly value: number }>;
}

/**
 * Runs side by side.
 * @param baseline the one that others are measured against; the first, if not given
 * @param reach validation perplexities of which to tell when they were reached
 */
export function compareRuns(
  candidates: readonly [Candidate, ...Candidate[]],
  { baseline, reach = [] }: { readonly baseline?: string; readonly reach?: readonly number[] } = {},
): Comparison {
  const rows = candidates.map(({ row }) => row);
  const base = rows.find(({ id }) => id === baseline) ?? candidates[0].row;
  return {
    baseline: base.id,
    reach,
    runs: candidates.map(({ row, validation }) => ({
      ...{ id: row.id, name: row.name, state: row.state },
      bestValidationPerplexity: row.bestValidationPerplexity,
      testPerplexity: row.testPerplexity,
      bestDelta: delta(row.bestValidationPerplexity, base.bestValidationPerplexity),
      testDelta: delta(row.testPerplexity, base.testPerplexity),
      stepsToReach: stepsToReach(validation, reach),
    })),
    differences: differencesOf(rows),
  };
}

function delta(value: number | null, base: number | null): number | null {
  return value === null || base === null ? null : value - base;
}

function stepsToReach(
  validation: Iterable<{ readonly step: number; readonly value: number }>,
  reach: readonly number[],
): (number | null)[] {
  const steps: (number | null)[] = reach.map(() => null);
  for (const { step, value } of validation) {
    reach.forEach((wanted, i) => {
      if (value <= wanted) steps[i] ??= step;
    });
  }
  return steps;
}

/** What runs are called does not make them different. */
function differencesOf(rows: readonly RunTableRow[]): { field: string; values: unknown[] }[] {
  const [first, ...others] = rows.map(({ config }) => config);
  const changed = others.map((other) => new Map(differences(first, other).map(({ field, a, b }) => [field, { a, b }])));
  const names = new Set(changed.flatMap((of) => [...of.keys()]).filter((field) => field !== 'name'));
  return [...names].map((field) => {
    const base = changed.find((of) => of.has(field))!.get(field)!.a;
    return { field, values: [base, ...changed.map((of) => (of.has(field) ? of.get(field)!.b : base))] };
  });
}
