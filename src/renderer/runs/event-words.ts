import type { RunEvent } from '../../shared/run-events';
import { assertNever } from '../../shared/errors';
import { bytes, integer, nats, percent, perplexity } from '../parts/format';

/** An event as a line of the log. */
export function eventWords(event: RunEvent): string {
  switch (event.type) {
    case 'started': {
      const { engine, parameters, resumedFrom } = event;
      const how = resumedFrom === null ? 'Started' : `Resumed from step ${integer(resumedFrom)}`;
      const where = `${engine.name} engine, ${engine.threads} ${engine.threads === 1 ? 'thread' : 'threads'}`;
      return `${how}: ${where}; ${integer(parameters.active)} of ${integer(parameters.total)} weights active`;
    }
    case 'step':
      return `Step ${integer(event.step)}: loss ${nats(event.loss)}`;
    case 'evaluation': {
      const what = event.averaged ? 'averaged weights, ' : '';
      return `Epoch ${event.epoch}: validation perplexity ${perplexity(event.perplexity)} (${what}training ${perplexity(Math.exp(event.trainingLoss))})${event.best ? ', the best so far' : ''}`;
    }
    case 'averaging':
      if (event.cause === 'restart') return `Averages begin anew after epoch ${event.epoch}, as configured`;
      return event.cause === 'trigger'
        ? `Averaging begins after epoch ${event.epoch}: validation has stalled`
        : `Averaging begins after epoch ${event.epoch}, as configured`;
    case 'sparsity': {
      if (event.update === 0) return 'Initial topology';
      if (event.units !== undefined) {
        const units = event.units.map(({ layer, left, of }) => `${integer(left)} of ${integer(of)} in ${layer}`);
        return `Hidden units left: ${units.join(', ')}`;
      }
      const removed = event.layers.reduce((sum, layer) => sum + layer.removed, 0);
      return `Topology update ${event.update}: ${integer(removed)} weights removed and grown (rate ${percent(event.removingRate)})`;
    }
    case 'checkpoint':
      return `Checkpoint at step ${integer(event.step)}: ${bytes(event.bytes)}`;
    case 'finished': {
      const { cachePerplexity, dynamicPerplexity } = event;
      const cached = cachePerplexity === undefined ? '' : ` (${perplexity(cachePerplexity)} with a cache)`;
      const dynamic =
        dynamicPerplexity === undefined ? '' : ` (${perplexity(dynamicPerplexity)} by dynamic evaluation)`;
      return `Finished: test perplexity ${perplexity(event.testPerplexity)}${cached}${dynamic}, best validation ${perplexity(event.bestValidationPerplexity)} in epoch ${event.bestEpoch}`;
    }
    case 'paused':
      return `Paused at step ${integer(event.step)}`;
    case 'stopped':
      return `Stopped at step ${integer(event.step)}`;
    case 'failed':
      return `Failed: ${event.message}`;
    default:
      return assertNever(event);
  }
}
