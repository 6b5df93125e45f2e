import { Presets, SingleBar } from 'cli-progress';
import type { RunEvent, RunEventOf } from '../../../shared/run-events.js';
import { duration, integer, perplexity } from './text.js';

/** Shows a run as it goes. */
export interface Progress {
  show(event: RunEvent): void;
  /** No event comes after this. */
  stop(): void;
}

/** Every event as a line of JSON on standard output, with the run's id. */
export function jsonProgress(run: string): Progress {
  return {
    show: ({ type, ...rest }) => {
      process.stdout.write(`${JSON.stringify({ type, run, ...rest })}\n`);
    },
    stop: () => undefined,
  };
}

/** A line at the start and after each epoch, for logs. */
export function lineProgress(run: string): Progress {
  let started: RunEventOf<'started'> | undefined;
  let speed = 0;
  const say = (text: string) => process.stderr.write(`${text}\n`);
  return {
    show: (event) => {
      switch (event.type) {
        case 'started':
          started = event;
          say(opening(run, event));
          break;
        case 'step':
          speed = event.tokensPerSecond;
          break;
        case 'evaluation':
          say(
            `epoch ${event.epoch}/${started?.epochs ?? '?'}  step ${integer(event.step)}  ` +
              `training ${perplexity(Math.exp(event.trainingLoss))}  validation ${perplexity(event.perplexity)}` +
              `${event.averaged ? ' (averaged)' : ''}  ${integer(speed)} words/s`,
          );
          break;
        case 'averaging':
          say(`averaging begins after epoch ${event.epoch}`);
          break;
        default:
          break;
      }
    },
    stop: () => undefined,
  };
}

/** A bar on the terminal, with validation perplexity, speed and the time that is left. */
export function barProgress(run: string): Progress {
  const format =
    ' {bar} {percentage}%  epoch {epoch}/{epochs}  loss {loss}  validation {validation}  {speed} words/s  {left} left';
  const bar = new SingleBar(
    { format, hideCursor: true, stream: process.stderr, clearOnComplete: true, stopOnComplete: false },
    Presets.shades_classic,
  );
  let began: { step: number; at: number } | undefined;
  let total = 0;
  return {
    show: (event) => {
      switch (event.type) {
        case 'started': {
          process.stderr.write(`${opening(run, event)}\n`);
          total = event.stepsPerEpoch * event.epochs;
          const step = event.resumedFrom ?? 0;
          began = { step, at: performance.now() };
          const unknown = '-';
          bar.start(total, step, {
            epoch: Math.floor(step / event.stepsPerEpoch) + 1,
            epochs: event.epochs,
            ...{ loss: unknown, validation: unknown, speed: unknown, left: unknown },
          });
          break;
        }
        case 'step': {
          const perStep = (performance.now() - began!.at) / Math.max(1, event.step - began!.step);
          bar.update(event.step, {
            epoch: event.epoch,
            loss: event.loss.toFixed(3),
            speed: integer(event.tokensPerSecond),
            left: duration(perStep * (total - event.step)),
          });
          break;
        }
        case 'evaluation':
          bar.update(event.step, { validation: perplexity(event.perplexity) });
          break;
        default:
          break;
      }
    },
    stop: () => {
      bar.stop();
    },
  };
}

function opening(run: string, event: RunEventOf<'started'>): string {
  const { engine, layout, corpus, parameters, resumedFrom } = event;
  const features = engine.features.length > 0 ? ` (${engine.features.join(', ')})` : '';
  const from = resumedFrom === null ? '' : `, resumed from step ${integer(resumedFrom)}`;
  return (
    `${run}: ${integer(parameters.active)} of ${integer(parameters.total)} parameters active, ${layout}, ` +
    `on ${engine.name}${features}; ${integer(corpus.tokens.train)} words of ${corpus.name}${from}`
  );
}
