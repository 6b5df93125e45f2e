import { ZodError } from 'zod';
import { messageOf } from '../../src/shared/errors.js';
import type { Layout } from '../../src/worker/sparsity/parameter.js';
import { isEntry, type GoldenCase, type Kind } from './case.js';
import { cosineCase } from './cosine-case.js';
import { modelCase } from './model-case.js';
import { neuralCacheCase } from './neural-cache-case.js';
import { snfsCase } from './snfs-case.js';
import { sntAsgdCase } from './snt-asgd-case.js';
import { topologyCase } from './topology-case.js';
import { trajectoryCase } from './trajectory-case.js';

export interface Verdict {
  readonly case: string;
  readonly layout: Layout | 'none';
  /** null where nothing was computed. */
  readonly worstRelativeError: number | null;
  readonly status: 'pass' | 'fail' | 'unsupported';
  /** The tensor that is worst, or why nothing was computed. */
  readonly detail: string;
}

/** A case is told by its entry in the manifest and never by its name; those that none describes are not ours yet. */
const kinds: readonly Kind[] = [
  trajectoryCase,
  modelCase,
  neuralCacheCase,
  sntAsgdCase,
  topologyCase,
  snfsCase,
  cosineCase,
];

/**
 * Computes a case in each layout that makes a difference to it. Whatever is wrong with one is its own verdict.
 * @param has layouts that the engine trains in
 */
export function* runCase(golden: GoldenCase, has: readonly Layout[] = ['packed', 'masked']): Generator<Verdict> {
  const { name, entry } = golden;
  const nothing = { case: name, worstRelativeError: null } as const;
  if (!isEntry(entry)) {
    yield { ...nothing, layout: 'none', status: 'fail', detail: 'its entry in the manifest is not an object' };
    return;
  }
  const kind = kinds.find((candidate) => candidate.describes(entry));
  if (kind === undefined) {
    const layouts = 'model' in entry ? has : (['none'] as const);
    for (const layout of layouts) {
      yield { ...nothing, layout, status: 'unsupported', detail: 'Sparrow does not have it yet' };
    }
    return;
  }
  for (const layout of kind.layouts) {
    if (layout !== 'none' && !has.includes(layout)) continue;
    try {
      const { worstRelativeError, where, compared } = kind.compare(golden, layout);
      if (compared === 0) throw new Error('there was nothing to compare');
      const status = worstRelativeError <= kind.tolerance ? 'pass' : 'fail';
      yield { case: name, layout, worstRelativeError, status, detail: where };
    } catch (error) {
      yield { ...nothing, layout, status: 'fail', detail: reasonOf(error) };
    }
  }
}

/** In one line, as everything that is printed of a verdict. */
function reasonOf(error: unknown): string {
  const issues = error instanceof ZodError ? error.issues : undefined;
  const reason = issues?.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ') ?? messageOf(error);
  return reason.replaceAll(/\s+/g, ' ');
}
