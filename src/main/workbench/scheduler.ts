import { OwnerLeaves } from '../../shared/contract/errors.js';
import { explained, UserError } from '../../shared/errors.js';
import type { RunRecord } from '../../shared/run-records.js';
import type { RunState, TrainerEnd, TrainerState } from '../../shared/run-state.js';
import { deviceOf, nextRuns } from '../queue/queue.js';
import type { WritableStore } from '../store/store.js';
import { Trainer, type Patience } from '../trainers/trainer.js';
import { nodeTrainers, type Spawn } from '../trainers/trainer-process.js';
import type { Changes } from './changes.js';
import { Restarts } from './restarts.js';
import { States, type Living } from './states.js';

export interface SchedulerOptions {
  readonly store: WritableStore;
  readonly folderOf: (id: string) => string;
  readonly corporaFolder: string;
  readonly patience: Patience;
  readonly runsPerDevice: number;
  /** Plain Node children where it is not said. */
  readonly spawn?: Spawn;
}

/** A run that has a trainer. */
interface Live {
  readonly trainer: Trainer;
  device: string;
  /** What was asked for when it was queued. */
  readonly asked: { readonly device?: string; readonly threads?: number };
  /** Whether it goes back into the queue when it has stopped: for the next owner. */
  handOver: boolean;
}

const longestWaitMs = 30_000;

/** Decides what runs: begins what waits as devices become free, and sees to it until it has ended. */
export class Scheduler implements Living {
  readonly states: States;
  readonly restarts = new Restarts();
  readonly #options: SchedulerOptions;
  readonly #store: WritableStore;
  readonly #changes: Changes;
  readonly #live = new Map<string, Live>();
  /** Queued runs that cannot be read and were told: the queue goes on without them. */
  readonly #damaged = new Set<string>();
  readonly #spawn: Spawn;
  /** Of runs that have waited: a queue may be long, and is looked through whenever a device is free. */
  readonly #configs = new Map<string, RunRecord['config']>();
  /** The device that an engine, or `auto`, has come to. */
  readonly #seen = new Map<RunRecord['config']['device']['engine'], string>();
  #closing = false;
  #held = false;
  #defect: ((error: unknown) => void) | undefined;

  constructor(options: SchedulerOptions, changes: Changes) {
    this.#options = options;
    this.#store = options.store;
    this.#changes = changes;
    this.#spawn = options.spawn ?? nodeTrainers();
    this.states = new States(options.store, changes, this);
  }

  get size(): number {
    return this.#live.size;
  }

  stateOf(id: string): TrainerState | undefined {
    return this.#live.get(id)?.trainer.state;
  }

  trainerOf(id: string): Trainer | undefined {
    return this.#live.get(id)?.trainer;
  }

  /** Starts what waits. @param onDefect takes what goes wrong where nobody asked */
  start(onDefect: (error: unknown) => void): void {
    this.#defect = onDefect;
    this.advance();
  }

  /** Begins nothing more: this owner is about to leave, and who waits is better off with the next one. */
  hold(): void {
    this.#held = true;
  }

  /** @throws OwnerLeaves where this owner begins nothing more */
  refuseWhileClosing(): void {
    if (this.#closing) throw new OwnerLeaves();
  }

  /** Checkpoints what is under way and lets it rest, all but one. @returns who rests now, to be continued later */
  async restAllBut(id: string | undefined): Promise<string[]> {
    const running = [...this.#live].filter(([run, { trainer }]) => run !== id && isBusy(trainer.state));
    const awake = running.filter(([, { trainer }]) => trainer.state.state !== 'pausing').map(([run]) => run);
    for (const [, { trainer }] of running) trainer.pause();
    const rests = () => running.every(([run, live]) => this.#live.get(run) !== live || !isBusy(live.trainer.state));
    while (!this.#changes.closed && !rests()) await this.#changes.next(undefined, longestWaitMs);
    await new Promise((resolve) => setImmediate(resolve)); // what they told last is written down
    return awake;
  }

  /** Whether nothing is under way and nothing waits. */
  get idle(): boolean {
    return this.#live.size === 0 && !this.hasWork;
  }

  /** Whether there is something to train: what rests is not. */
  get hasWork(): boolean {
    return (
      [...this.#live.values()].some(({ trainer }) => trainer.state.state !== 'paused') ||
      this.#store.queue.entries().some(({ run }) => this.#readable(run) !== undefined)
    );
  }

  /** Begins what waits, as far as devices have room. */
  advance(): void {
    if (!this.#closing && !this.#held && this.#defect !== undefined) {
      const busy = [...this.#live.values()].map(({ device }) => device);
      for (const { entry } of nextRuns(this.#waiting(), busy, this.#options.runsPerDevice)) {
        const record = this.#readable(entry.run);
        if (record === undefined) continue;
        const { device, threads } = entry;
        this.#begin(record, { ...(device === null ? {} : { device }), ...(threads === null ? {} : { threads }) });
      }
    }
  }

  /** Those that wait have other places now, and so others before them. */
  touchQueue(...others: string[]): void {
    this.#changes.touch([...others, ...this.#store.queue.entries().map(({ run }) => run)]);
  }

  /** Asks a run's trainer to end. @param now without a checkpoint */
  stop(id: string, now: boolean): void {
    const live = this.#live.get(id);
    if (live === undefined) return;
    live.handOver = false;
    this.restarts.forbid(id);
    if (now) live.trainer.kill();
    else live.trainer.stop();
  }

  /** Stops every trainer and waits until they are gone. @param handOver names those that go back to the head of the queue */
  async close(handOver: (id: string) => boolean): Promise<void> {
    this.#closing = true;
    const ends = [...this.#live].map(([id, live]) => {
      live.handOver = live.trainer.state.state !== 'stopping' && handOver(id);
      live.trainer.stop();
      return live.trainer.end;
    });
    await Promise.all(ends);
  }

  *#waiting() {
    for (const entry of this.#store.queue.entries()) {
      const config = this.#configs.get(entry.run) ?? this.#readable(entry.run)?.config;
      if (config === undefined) continue;
      this.#configs.set(entry.run, config);
      yield { entry, device: entry.device ?? deviceOf(config, this.#seen) };
    }
  }

  /** A run that waits; one that is damaged is told once, and keeps nobody from the others. */
  #readable(id: string): RunRecord | undefined {
    try {
      return this.#store.runs.get(id);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      if (this.#defect !== undefined && !this.#damaged.has(id)) {
        this.#damaged.add(id);
        this.#defect(error);
      }
      return undefined;
    }
  }

  #begin(record: RunRecord, asked: Live['asked']): void {
    const { id, config } = record;
    const device = asked.device ?? deviceOf(config, this.#seen);
    const threads = asked.threads ?? config.device.threads;
    const trainer = new Trainer(
      {
        config: { ...config, device: { ...config.device, threads } },
        folder: this.#options.folderOf(id),
        corpora: this.#options.corporaFolder,
        resume: record.attempts.length > 0,
      },
      {
        write: (events) => {
          this.#store.events.ingest(events.map((numbered) => ({ run: id, ...numbered })));
          for (const { event } of events) {
            if (event.type === 'checkpoint') this.restarts.forgive(id);
            if (event.type === 'started') this.#startedOn(id, event.engine.device?.id, config);
          }
          this.#changes.wrote(id);
        },
        onState: () => {
          this.#changes.touch([id]);
        },
        patience: this.#options.patience,
        spawn: () => this.#spawn(config.device.engine),
      },
    );
    this.#live.set(id, { trainer, device, asked, handOver: false });
    try {
      this.#store.transaction(() => {
        this.#store.queue.remove(id);
        this.#configs.delete(id);
        this.#store.runs.beginAttempt(id, { device, ...(trainer.pid === undefined ? {} : { pid: trainer.pid }) });
      });
    } catch (error) {
      // A full disk, say. It stays in the queue, for when somebody tries again.
      this.#live.delete(id);
      trainer.kill();
      throw error;
    } finally {
      this.touchQueue(id);
    }
    this.states.forget(id);
    if (trainer.pid === undefined) void this.#noteProcess(id, trainer);
    void trainer.end.then((end) => {
      this.#ended(id, end);
    });
  }

  /** A run that did not say where is on the device on which its engine has started: what waits for the other may begin. */
  #startedOn(id: string, device: string | undefined, { device: asked }: RunRecord['config']): void {
    const live = this.#live.get(id);
    if (device === undefined || live === undefined) return;
    if (asked.id === 'auto') this.#seen.set(asked.engine, device);
    if (live.device === device) return;
    live.device = device;
    this.#guarded(() => {
      this.advance();
    });
  }

  /** So that an orphan is known for one, should this process be killed. */
  async #noteProcess(id: string, trainer: Trainer): Promise<void> {
    await trainer.spawned;
    this.#guarded(() => {
      if (trainer.pid !== undefined) this.#store.runs.setProcess(id, trainer.pid);
    });
  }

  #ended(id: string, end: TrainerEnd): void {
    const live = this.#live.get(id);
    try {
      this.#store.transaction(() => {
        this.#store.runs.endAttempt(id, end);
        const handOver = live?.handOver === true && end.state !== 'finished' && end.state !== 'failed';
        if (this.#store.runs.standing(id).paused !== null) {
          // It rests with the next owner, too; with this one it has ended.
          if (!handOver) this.#store.runs.setPaused(id, false);
        } else if (handOver || (end.state === 'interrupted' && !this.#closing && this.restarts.take(id))) {
          this.#store.queue.add(id, live?.asked);
          this.#store.queue.reorder([id]);
        }
      });
    } catch (error) {
      // A full disk, say: its last event and its missing process will say so at the next start. Who waits is told at once.
      this.states.keep(id, end);
      if (!(explained(error) instanceof UserError)) this.#defect?.(error);
    } finally {
      this.#live.delete(id);
      this.touchQueue(id);
    }
    this.#guarded(() => {
      this.advance();
    });
  }

  /** Where nobody asked, nobody is answered. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#defect?.(error);
    }
  }
}

/** Whether it computes: one that is asked to end will, and one that is paused does not. */
function isBusy({ state }: RunState): boolean {
  return state === 'starting' || state === 'running' || state === 'pausing';
}
