import { messageOf } from '../../src/shared/errors.js';
import type { Layout } from '../../src/worker/sparsity/parameter.js';
import type { GoldenCase, Kind } from './case.js';
import { cosineCase, cosineEntry } from './cosine-case.js';
import { sntAsgdCase, sntAsgdEntry } from './snt-asgd-case.js';
import { stackedLstmCase } from './stacked-lstm-case.js';
import { topologyCase, topologyEntry } from './topology-case.js';
import { trajectoryCase, trajectoryEntry } from './trajectory-case.js';

export interface Verdict {
  readonly case: string;
  readonly layout: Layout | 'none';
  /** null where nothing was computed. */
  readonly worstRelativeError: number | null;
  readonly status: 'pass' | 'fail' | 'unsupported';
  /** The tensor that is worst, or why nothing was computed. */
  readonly detail: string;
}

/** What kind of case it is, told by its entry in the manifest and never by its name; undefined if we have no code for it. */
function kindOf({ entry }: GoldenCase): Kind | undefined {
  if (trajectoryEntry.safeParse(entry).success) return trajectoryCase;
  if (entry['model'] === 'stacked-lstm') return stackedLstmCase;
  if (entry['model'] !== undefined) return undefined;
  if (sntAsgdEntry.safeParse(entry).success) return sntAsgdCase;
  if (topologyEntry.safeParse(entry).success) return topologyCase;
  if (cosineEntry.safeParse(entry).success) return cosineCase;
  return undefined;
}

/** Computes a case in each layout that makes a difference to it. */
export function* runCase(golden: GoldenCase): Generator<Verdict> {
  const kind = kindOf(golden);
  if (kind === undefined) {
    const layouts = golden.entry['model'] === undefined ? (['none'] as const) : (['packed', 'masked'] as const);
    for (const layout of layouts) {
      const detail = 'Sparrow does not have it yet';
      yield { case: golden.name, layout, worstRelativeError: null, status: 'unsupported', detail };
    }
    return;
  }
  for (const layout of kind.layouts) {
    try {
      const { worstRelativeError, where } = kind.compare(golden, layout);
      const status = worstRelativeError <= kind.tolerance ? 'pass' : 'fail';
      yield { case: golden.name, layout, worstRelativeError, status, detail: where };
    } catch (error) {
      yield { case: golden.name, layout, worstRelativeError: null, status: 'fail', detail: messageOf(error) };
    }
  }
}
