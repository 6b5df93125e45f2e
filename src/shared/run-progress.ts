import { engineInWords } from './engine-words.js';
import type { RunEvent, RunEventOf } from './run-events.js';
import type { RunProgress } from './run-records.js';

/**
 * Where a run stands after one more event: what the database would say (`store/progress.ts`), without asking it.
 * @returns undefined where the event is not the next one: it replaces some, or some are missing, and the database must be asked
 */
export function progressAfter(progress: RunProgress, sequence: number, event: RunEvent): RunProgress | undefined {
  if (sequence !== progress.nextSequence) return undefined;
  const next = {
    ...progress,
    nextSequence: sequence + 1,
    lastEvent: event.type,
    failure: null,
    ...('step' in event ? { step: event.step, epoch: event.epoch } : {}),
  };
  switch (event.type) {
    case 'started':
      return {
        ...next,
        stepsPerEpoch: event.stepsPerEpoch,
        parameters: event.parameters,
        engine: event.engine.name,
        computedBy: engineInWords(event.engine),
      };
    case 'step':
      return {
        ...next,
        ...flopsIn(event),
        loss: finite(event.loss),
        tokensPerSecond: finite(event.tokensPerSecond),
      };
    case 'evaluation': {
      const { perplexity } = event;
      const best = progress.bestValidationPerplexity;
      return {
        ...next,
        ...flopsIn(event),
        validationPerplexity: finite(perplexity),
        bestValidationPerplexity: Number.isFinite(perplexity) ? Math.min(best ?? Infinity, perplexity) : best,
      };
    }
    case 'sparsity': {
      const { parameters } = progress;
      if (parameters === null) return next;
      return { ...next, parameters: { ...parameters, active: activeAfter(parameters.total, matricesIn(event)) } };
    }
    case 'finished':
      return {
        ...next,
        testPerplexity: finite(event.testPerplexity),
        parameters: event.parameters ?? progress.parameters,
      };
    case 'failed':
      return {
        ...next,
        failure: { message: event.message, ...(event.stack === undefined ? {} : { stack: event.stack }) },
      };
    default:
      return next;
  }
}

/** Active parameters of a run whose matrices have so many positions and active weights: the rest, biases, always is. */
export function activeAfter(
  total: number,
  { size, active }: { readonly size: number; readonly active: number },
): number {
  return Math.max(0, total - size) + active;
}

function matricesIn({ layers }: RunEventOf<'sparsity'>): { size: number; active: number } {
  const gates = layers.flatMap((layer) => layer.gates);
  return {
    size: gates.reduce((sum, { size }) => sum + size, 0),
    active: layers.reduce((sum, { active }) => sum + active, 0),
  };
}

function flopsIn({ flops }: RunEventOf<'step' | 'evaluation'>): Partial<RunProgress> {
  if (flops === undefined) return {};
  return { flops: finite(flops.training), flopsOfDense: finite(flops.training / flops.dense) };
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
