import { jsonSafe } from '../../../shared/numbers.js';
import type { RunEvent, RunEventOf } from '../../../shared/run-events.js';
import { barLine, duration, integer, nats, perplexity } from './text.js';

/** Shows a run as it goes. */
export interface Progress {
  show(event: RunEvent): void;
  /** It waits for so many other runs. */
  wait(ahead: number): void;
  /** Says that the run was asked to stop; from then on nothing is drawn. */
  interrupt(text: string): void;
  /** No event comes after this. */
  stop(): void;
}

/** Every event as a line of JSON on standard output, with the run's id. */
export function jsonProgress(run: string): Progress {
  return {
    show: ({ type, ...rest }) => {
      process.stdout.write(`${JSON.stringify(jsonSafe({ type, run, ...rest }))}\n`);
    },
    wait: () => undefined,
    interrupt: () => undefined,
    stop: () => undefined,
  };
}

/** A line at the start and after each epoch, for logs and for terminals that cannot move the cursor. */
export function lineProgress(run: string): Progress {
  let started: RunEventOf<'started'> | undefined;
  let speed = 0;
  let waited = '';
  const say = (text: string) => process.stderr.write(`${text}\n`);
  if (process.stderr.isTTY) {
    outliveTerminal();
    say(preparing(run));
  }
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
          say(`${event.cause === 'restart' ? 'averages begin anew' : 'averaging begins'} after epoch ${event.epoch}`);
          break;
        default:
          break;
      }
    },
    wait: (ahead) => {
      if (waiting(run, ahead) !== waited) say((waited = waiting(run, ahead)));
    },
    interrupt: (text) => {
      say(process.stderr.isTTY ? `\n${text}` : text); // the terminal has written ^C
    },
    stop: () => undefined,
  };
}

/** A bar on the terminal, with the time that is left, speed and validation perplexity. */
export function barProgress(run: string): Progress {
  outliveTerminal();
  let bar: Bar | undefined;
  let doing = preparing(run);
  const status = new StatusLine((width) => bar?.line(width) ?? doing.slice(0, width));
  return {
    wait: (ahead) => {
      doing = waiting(run, ahead);
    },
    show: (event) => {
      if (event.type === 'started') {
        status.sayAbove(opening(run, event));
        bar = new Bar(event);
        status.draw();
      } else {
        bar?.note(event);
      }
    },
    interrupt: (text) => {
      status.stop();
      process.stderr.write(`${text}\n`);
    },
    stop: () => {
      status.stop();
    },
  };
}

/** What the bar knows of a run. */
class Bar {
  readonly #started: RunEventOf<'started'>;
  readonly #total: number;
  /** Where this process began, and where the last report was. */
  readonly #first: { readonly step: number; readonly at: number };
  #last: { readonly step: number; readonly at: number };
  #stepsPerReport = 0;
  #report: RunEventOf<'step'> | undefined;
  #evaluation: RunEventOf<'evaluation'> | undefined;

  constructor(started: RunEventOf<'started'>) {
    this.#started = started;
    this.#total = started.stepsPerEpoch * started.epochs;
    this.#first = { step: started.resumedFrom ?? 0, at: performance.now() };
    this.#last = this.#first;
  }

  note(event: RunEvent): void {
    if (event.type !== 'step' && event.type !== 'evaluation') return;
    if (event.type === 'step') {
      this.#report = event;
      this.#stepsPerReport = Math.max(this.#stepsPerReport, event.step - this.#last.step);
    } else {
      this.#evaluation = event;
    }
    this.#last = { step: event.step, at: performance.now() };
  }

  line(width: number): string {
    const { epochs, stepsPerEpoch } = this.#started;
    const { step } = this.#last;
    const share = this.#total === 0 ? 1 : step / this.#total;
    // An epoch ends with its validation.
    const ended = this.#evaluated || step === this.#first.step;
    const epoch = Math.min(epochs, ended ? Math.floor(step / stepsPerEpoch) + 1 : Math.ceil(step / stepsPerEpoch));
    const parts = [`${Math.floor(100 * share)}%`, `epoch ${epoch}/${epochs}`, this.#doing()];
    if (this.#report !== undefined) parts.push(`${integer(this.#report.tokensPerSecond)} words/s`);
    if (this.#evaluation !== undefined) parts.push(`validation ${perplexity(this.#evaluation.perplexity)}`);
    if (this.#report !== undefined) parts.push(`loss ${nats(this.#report.loss)}`);
    return barLine(width, share, parts);
  }

  get #evaluated(): boolean {
    return this.#evaluation?.step === this.#last.step;
  }

  /** The time that is left, or what takes the time while no step is done. */
  #doing(): string {
    const { step, at } = this.#last;
    const stepsLeft = this.#total - step;
    if (stepsLeft === 0 && (this.#evaluated || step === this.#first.step)) return 'testing';
    if (step === this.#first.step) return 'starting';
    const msPerStep = (at - this.#first.at) / (step - this.#first.step);
    const silence = performance.now() - at;
    const stepsOfEpoch = stepsLeft % this.#started.stepsPerEpoch;
    if (stepsOfEpoch === 0 && !this.#evaluated) return 'validating';
    // The last steps of an epoch may have no report of their own: it is over when they must be done.
    const unreported = stepsOfEpoch > 0 && stepsOfEpoch < this.#stepsPerReport;
    if (unreported && silence > msPerStep * stepsOfEpoch) return 'validating';
    return `${duration(Math.max(0, msPerStep * stepsLeft - silence))} left`;
  }
}

/**
 * The last line of the terminal, drawn whenever it changes. The cursor waits at its beginning: what others write, such as
 * the ^C of a key press, stands there and is drawn over, and erasing from there takes along what a window that was made
 * narrower has wrapped. No mode of the terminal is changed, so that a process that is killed leaves none behind.
 */
class StatusLine {
  readonly #text: (width: number) => string;
  readonly #timer: NodeJS.Timeout;
  #stopped = false;
  #drawn = '';

  constructor(text: (width: number) => string) {
    this.#text = text;
    this.draw();
    this.#timer = setInterval(() => {
      this.draw();
    }, 200).unref();
  }

  /** Writes a line that stays, above this one. */
  sayAbove(text: string): void {
    this.#drawn = '';
    process.stderr.write(`\r${eraseBelow}${text}\n`);
  }

  /** Takes the line away for good. */
  stop(): void {
    clearInterval(this.#timer);
    this.#stopped = true;
    if (this.#drawn !== '') process.stderr.write(`\r${eraseBelow}`);
    this.#drawn = '';
  }

  draw(): void {
    const line = this.#text((process.stderr.columns || 80) - 1); // writing in the last column may wrap
    if (this.#stopped || line === this.#drawn) return;
    process.stderr.write(`\r${line}${eraseBelow}\r`);
    this.#drawn = line;
  }
}

/** From the cursor to the end of the screen. */
const eraseBelow = '\x1b[J';

/** A terminal that is closed takes no more text, and its signal asks the run to stop: that must not end as an error. */
function outliveTerminal(): void {
  process.stderr.on('error', () => undefined);
}

function preparing(run: string): string {
  return `${run}: preparing`;
}

function waiting(run: string, ahead: number): string {
  return ahead === 0 ? `${run}: is next` : `${run}: waits for ${integer(ahead)} other ${ahead === 1 ? 'run' : 'runs'}`;
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
