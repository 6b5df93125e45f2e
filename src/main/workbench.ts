import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OwnerLeaves } from '../shared/contract/errors.js';
import { derivedState } from '../shared/derived-state.js';
import { explained, UserError } from '../shared/errors.js';
import { parseRunConfig } from '../shared/run-config.js';
import type { RunRecord } from '../shared/run-records.js';
import { isEnd, type RunState, type TrainerEnd } from '../shared/run-state.js';
import { News } from './news.js';
import { deviceOf, nextRuns } from './queue/queue.js';
import type { WritableStore } from './store/store.js';
import { purgeRun } from './store/trash.js';
import { refuseWhileTrained } from './trainers/orphans.js';
import { Trainer, type Patience } from './trainers/trainer.js';
import type { Spawn } from './trainers/trainer-process.js';

export interface WorkbenchOptions {
  readonly store: WritableStore;
  /** Holds a folder for each run. */
  readonly runsFolder: string;
  readonly corporaFolder: string;
  readonly patience: Patience;
  readonly runsPerDevice: number;
  readonly spawn?: Spawn;
}

/** A run that has a trainer. */
interface Live {
  readonly trainer: Trainer;
  readonly device: string;
  /** What was asked for when it was queued. */
  readonly asked: { readonly device?: string; readonly threads?: number };
  /** Whether it goes back into the queue when it has stopped: for the next owner. */
  handOver: boolean;
}

interface Restarts {
  readonly cap: number;
  left: number;
}

/** The core of the owner of a data folder: the only one that writes, starts trainers and decides what runs. */
export class Workbench {
  readonly news: News;
  readonly #options: WorkbenchOptions;
  readonly #store: WritableStore;
  readonly #live = new Map<string, Live>();
  readonly #restarts = new Map<string, Restarts>();
  #closing = false;
  #held = false;
  /** Queued runs that cannot be read and were told: the queue goes on without them. */
  readonly #damaged = new Set<string>();
  #asked = false;
  #defect: ((error: unknown) => void) | undefined;

  /** Takes over what the last owner has left: runs whose trainer is gone are interrupted, the queue goes on. */
  constructor(options: WorkbenchOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#store.runs.settle(new Set());
    this.news = new News(this.#store, (ids) => this.#statesOf(ids));
  }

  /** Starts what waits. @param onDefect takes what goes wrong where nobody asked */
  start(onDefect: (error: unknown) => void): void {
    this.#defect = onDefect;
    this.#advance();
  }

  /** Begins nothing more: this owner is about to leave, and who waits is better off with the next one. */
  hold(): void {
    this.#held = true;
  }

  /** Checkpoints what is under way and lets it rest, all but one. @returns who rests now, to be continued later */
  async restAllBut(id: string | undefined): Promise<string[]> {
    const running = [...this.#live].filter(([run, { trainer }]) => run !== id && isBusy(trainer.state));
    for (const [, { trainer }] of running) trainer.pause();
    await this.news.until(() =>
      running.every(([run, live]) => this.#live.get(run) !== live || !isBusy(live.trainer.state)),
    );
    await new Promise((resolve) => setImmediate(resolve)); // what they told last is written down
    return running.map(([run]) => run);
  }

  /** Whether nothing is under way and nothing waits. */
  get idle(): boolean {
    return this.#live.size === 0 && !this.#store.queue.entries().some(({ run }) => this.#readable(run) !== undefined);
  }

  /** Whether anybody has queued something here. */
  get asked(): boolean {
    return this.#asked;
  }

  /** @returns ids, in the order of the configurations */
  create(configs: readonly unknown[], restarts: number): string[] {
    this.#refuseWhileClosing();
    const parsed = configs.map((config) => parseRunConfig(config));
    const folderIsThere = (id: string) => existsSync(this.#folderOf(id));
    const ids = this.#store.transaction(() => {
      const records = this.#store.runs.create(parsed, folderIsThere);
      for (const { id } of records) this.#store.queue.add(id);
      return records.map(({ id }) => id);
    });
    this.#asked = true;
    for (const id of ids) this.#restarts.set(id, { cap: restarts, left: restarts });
    this.#advance();
    return ids;
  }

  /** @throws UserError where there is nothing to resume */
  resume(id: string, { threads, restarts }: { threads?: number | undefined; restarts: number }): void {
    this.#refuseWhileClosing();
    const record = this.#store.runs.get(id);
    const state = this.#stateOf(record);
    if (state.state === 'finished') throw new UserError(`${id} is finished: there is nothing to resume`);
    if (!isEnd(state) && state.state !== 'queued') {
      throw new UserError(`${id} is ${state.state} already: "sparrow show ${id}" says how it stands`);
    }
    if (record.trashed !== null) throw new UserError(`${id} is in the trash: "sparrow rm --restore ${id}" first`);
    this.#enqueue(id, threads);
    this.#asked = true;
    this.#restarts.set(id, { cap: restarts, left: restarts });
    this.#advance();
  }

  pause(id: string): void {
    this.#liveRun(id, 'paused').trainer.pause();
  }

  continue(id: string): void {
    this.#liveRun(id, 'continued').trainer.continue();
  }

  /** @param now without a checkpoint */
  stop(id: string, now: boolean): void {
    const live = this.#live.get(id);
    if (live === undefined) {
      const state = this.#stateOf(this.#store.runs.get(id));
      if (state.state !== 'queued') throw new UserError(`${id} is ${state.state}: there is nothing to stop`);
      this.#store.queue.remove(id);
      this.#changed();
      return;
    }
    live.handOver = false;
    this.#restarts.delete(id);
    if (now) live.trainer.kill();
    else live.trainer.stop();
  }

  view(id: string): { record: RunRecord; state: RunState } {
    const record = this.#store.runs.get(id);
    return { record, state: this.#stateOf(record) };
  }

  list(trash: boolean) {
    const { runs, damaged } = this.#store.runs.list({ trash });
    const ahead = this.#ahead();
    return { runs: runs.map((record) => ({ record, state: this.#stateOf(record, ahead) })), damaged };
  }

  reorder(ids: readonly string[]): void {
    const waiting = new Set(this.#store.queue.entries().map(({ run }) => run));
    const stranger = ids.find((id) => !waiting.has(id));
    if (stranger !== undefined) throw new UserError(`${stranger} does not wait in the queue: it cannot be moved there`);
    this.#store.queue.reorder(ids);
    this.#changed();
  }

  /** All or none. */
  trash(ids: readonly string[]): void {
    const busy = ids.find((id) => this.#live.has(id));
    if (busy !== undefined) throw new UserError(`${busy} is being trained: "sparrow stop ${busy}" first`);
    this.#store.transaction(() => {
      for (const id of ids) this.#store.runs.trash(id);
    });
    this.#changed();
  }

  restore(ids: readonly string[]): void {
    this.#store.transaction(() => {
      for (const id of ids) this.#store.runs.restore(id);
    });
    this.#changed();
  }

  /** @returns bytes that the disk has back */
  purge(ids: readonly string[]): number {
    const outside = ids.find((id) => !this.#store.runs.isTrashed(id)); // a damaged run, too, can be deleted
    if (outside !== undefined) throw new UserError(`${outside} is not in the trash: "sparrow rm ${outside}" first`);
    for (const id of ids) refuseWhileTrained(id, this.#folderOf(id));
    const freed = ids.reduce((sum, id) => sum + purgeRun(this.#store.runs, id, this.#folderOf(id)), 0);
    this.#changed();
    return freed;
  }

  /** Deletes a run that never began, as if it had never been asked for. */
  discard(id: string): void {
    const { record, state } = this.view(id);
    const begun = record.progress.lastEvent !== null || record.attempts.length > 1;
    if (!isEnd(state) || begun) throw new UserError(`${id} has begun: "sparrow rm ${id}" puts it into the trash`);
    this.#store.runs.trash(id);
    this.purge([id]);
  }

  /**
   * Stops every trainer and waits until they are gone. Those that `handOver` names go back to the head of the queue, for the
   * next owner.
   */
  async close(handOver: (id: string) => boolean): Promise<void> {
    this.#closing = true;
    const ends = [...this.#live].map(([id, live]) => {
      live.handOver = live.trainer.state.state !== 'stopping' && handOver(id);
      live.trainer.stop();
      return live.trainer.end;
    });
    await Promise.all(ends);
    this.news.close();
  }

  #advance(): void {
    if (!this.#closing && !this.#held && this.#defect !== undefined) {
      const records = new Map<string, RunRecord>();
      const waiting = this.#store.queue.entries().flatMap((entry) => {
        const record = this.#readable(entry.run);
        if (record === undefined) return [];
        records.set(entry.run, record);
        return [{ entry, device: entry.device ?? deviceOf(record.config) }];
      });
      const busy = [...this.#live.values()].map(({ device }) => device);
      for (const { run, threads, device } of nextRuns(waiting, busy, this.#options.runsPerDevice)) {
        const record = records.get(run)!;
        this.#begin(record, {
          ...(device === null ? {} : { device }),
          ...(threads === null ? {} : { threads }),
        });
      }
    }
    this.#changed();
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
    const device = asked.device ?? deviceOf(config);
    const threads = asked.threads ?? config.device.threads;
    const trainer = new Trainer(
      {
        config: { ...config, device: { ...config.device, threads } },
        folder: this.#folderOf(id),
        corpora: this.#options.corporaFolder,
        resume: record.attempts.length > 0,
      },
      {
        write: (events) => {
          this.#store.events.ingest(events.map((numbered) => ({ run: id, ...numbered })));
          if (events.some(({ event }) => event.type === 'checkpoint')) this.#forgiveRestarts(id);
          this.#changed();
        },
        onState: () => {
          this.#changed();
        },
        patience: this.#options.patience,
        ...(this.#options.spawn === undefined ? {} : { spawn: this.#options.spawn }),
      },
    );
    this.#live.set(id, { trainer, device, asked, handOver: false });
    try {
      this.#store.transaction(() => {
        this.#store.queue.remove(id);
        this.#store.runs.beginAttempt(id, { device, ...(trainer.pid === undefined ? {} : { pid: trainer.pid }) });
      });
    } catch (error) {
      // A full disk, say. It stays in the queue, for when somebody tries again.
      this.#live.delete(id);
      trainer.kill();
      throw error;
    }
    void trainer.end.then((end) => {
      this.#ended(id, end);
    });
  }

  #ended(id: string, end: TrainerEnd): void {
    const live = this.#live.get(id);
    try {
      this.#store.transaction(() => {
        this.#store.runs.endAttempt(id, end);
        if (live?.handOver === true && end.state !== 'finished' && end.state !== 'failed')
          this.#requeue(id, live.asked);
        else if (end.state === 'interrupted' && this.#mayRestart(id)) this.#requeue(id, live?.asked);
      });
    } catch (error) {
      // A full disk, say: its last event and its missing process will say so at the next start. Who waits is told at once.
      if (!(explained(error) instanceof UserError)) this.#defect?.(error);
    } finally {
      this.#live.delete(id);
      this.news.ended(id, end);
    }
    this.#guarded(() => {
      this.#advance();
    });
  }

  /** One that waits already keeps its place. */
  #enqueue(id: string, threads: number | undefined): void {
    this.#store.transaction(() => {
      const waiting = this.#store.queue.entries();
      const place = waiting.find(({ run }) => run === id);
      if (place !== undefined) this.#store.queue.remove(id);
      const most = threads ?? place?.threads ?? undefined;
      this.#store.queue.add(id, most === undefined ? {} : { threads: most });
      if (place !== undefined) this.#store.queue.reorder(waiting.map(({ run }) => run));
    });
  }

  #requeue(id: string, asked: Live['asked'] = {}): void {
    this.#store.queue.add(id, asked);
    this.#store.queue.reorder([id]);
  }

  #mayRestart(id: string): boolean {
    const restarts = this.#restarts.get(id);
    if (restarts === undefined || restarts.left === 0 || this.#closing) return false;
    restarts.left -= 1;
    return true;
  }

  #forgiveRestarts(id: string): void {
    const restarts = this.#restarts.get(id);
    if (restarts !== undefined) restarts.left = restarts.cap;
  }

  #liveRun(id: string, wish: string): Live {
    const live = this.#live.get(id);
    if (live !== undefined) return live;
    const { state } = this.#stateOf(this.#store.runs.get(id));
    throw new UserError(`${id} is ${state}: only a run that is being trained can be ${wish}`);
  }

  #statesOf(ids: readonly string[] | undefined): Record<string, RunState> {
    const ahead = this.#ahead();
    const records =
      ids === undefined
        ? this.#store.runs.list().runs
        : ids.filter((id) => this.#store.runs.has(id)).map((id) => this.#store.runs.get(id));
    return Object.fromEntries(records.map((record) => [record.id, this.#stateOf(record, ahead)]));
  }

  #stateOf(record: RunRecord, ahead = this.#ahead()): RunState {
    return derivedState(record, {
      live: this.#live.get(record.id)?.trainer.state,
      ahead: ahead.get(record.id) ?? 0,
    });
  }

  #ahead(): Map<string, number> {
    return new Map(this.#store.queue.entries().map(({ run }, place) => [run, place + this.#live.size]));
  }

  #folderOf(id: string): string {
    return join(this.#options.runsFolder, id);
  }

  #changed(): void {
    this.news.changed();
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#defect?.(error);
    }
  }

  #refuseWhileClosing(): void {
    if (this.#closing) throw new OwnerLeaves();
  }
}

/** Whether it computes: one that is asked to end will, and one that is paused does not. */
function isBusy({ state }: RunState): boolean {
  return state === 'starting' || state === 'running' || state === 'pausing';
}
