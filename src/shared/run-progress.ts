import type { RunEvent } from './run-events.js';
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
      };
    case 'step':
      return { ...next, loss: finite(event.loss), tokensPerSecond: finite(event.tokensPerSecond) };
    case 'evaluation': {
      const { perplexity } = event;
      const best = progress.bestValidationPerplexity;
      return {
        ...next,
        validationPerplexity: finite(perplexity),
        bestValidationPerplexity: Number.isFinite(perplexity) ? Math.min(best ?? Infinity, perplexity) : best,
      };
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

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
