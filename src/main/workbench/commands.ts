import { existsSync } from 'node:fs';
import type { Annotation } from '../../shared/contract/contract.js';
import { UserError } from '../../shared/errors.js';
import { parseRunConfig } from '../../shared/run-config.js';
import { isEnd } from '../../shared/run-state.js';
import type { WritableStore } from '../store/store.js';
import { purgeRun } from '../store/trash.js';
import { refuseWhileTrained } from '../trainers/orphans.js';
import type { Trainer } from '../trainers/trainer.js';
import type { Changes } from './changes.js';
import type { Scheduler } from './scheduler.js';

/** What people have done with runs. Each is done when it returns, or not at all: then it throws a UserError. */
export class Commands {
  readonly #store: WritableStore;
  readonly #scheduler: Scheduler;
  readonly #changes: Changes;
  readonly #folderOf: (id: string) => string;
  #asked = false;

  constructor(store: WritableStore, scheduler: Scheduler, changes: Changes, folderOf: (id: string) => string) {
    this.#store = store;
    this.#scheduler = scheduler;
    this.#changes = changes;
    this.#folderOf = folderOf;
  }

  /** Whether anybody has queued something here. */
  get asked(): boolean {
    return this.#asked;
  }

  /** @returns ids, in the order of the configurations */
  create(configs: readonly unknown[], restarts: number): string[] {
    this.#scheduler.refuseWhileClosing();
    const parsed = configs.map((config) => parseRunConfig(config));
    const folderIsThere = (id: string) => existsSync(this.#folderOf(id));
    const ids = this.#store.transaction(() => {
      const records = this.#store.runs.create(parsed, folderIsThere);
      for (const { id } of records) this.#store.queue.add(id);
      return records.map(({ id }) => id);
    });
    this.#queued(ids, restarts);
    return ids;
  }

  /** @throws UserError where there is nothing to resume */
  resume(id: string, { threads, restarts }: { threads?: number | undefined; restarts: number }): void {
    this.#scheduler.refuseWhileClosing();
    const record = this.#store.runs.get(id);
    const state = this.#scheduler.states.of(record);
    if (state.state === 'finished') throw new UserError(`${id} is finished: there is nothing to resume`);
    if (state.state === 'paused' || state.state === 'pausing') {
      if (threads !== undefined && this.#scheduler.trainerOf(id) !== undefined) {
        throw new UserError(`${id} rests with the threads it has: "sparrow stop ${id}" first to give it others`);
      }
      this.#scheduler.restarts.allow(id, restarts);
      this.#goOn(id, threads);
      return;
    }
    if (!isEnd(state) && state.state !== 'queued') {
      throw new UserError(`${id} is ${state.state} already: "sparrow show ${id}" says how it stands`);
    }
    if (record.trashed !== null) throw new UserError(`${id} is in the trash: "sparrow rm --restore ${id}" first`);
    this.#enqueue(id, threads);
    this.#queued([id], restarts);
  }

  /** It rests until it is continued, under whatever owner. */
  pause(id: string): void {
    const trainer = this.#trainerOf(id, 'paused');
    this.#store.runs.setPaused(id, true);
    trainer.pause();
  }

  continue(id: string): void {
    if (this.#scheduler.states.ofId(id).state !== 'paused') this.#trainerOf(id, 'continued');
    this.#goOn(id, undefined);
  }

  /** @param now without a checkpoint */
  stop(id: string, now: boolean): void {
    if (this.#scheduler.trainerOf(id) !== undefined) {
      this.#scheduler.stop(id, now);
      return;
    }
    const state = this.#scheduler.states.ofId(id);
    if (state.state !== 'queued' && state.state !== 'paused') {
      throw new UserError(`${id} is ${state.state}: there is nothing to stop`);
    }
    this.#store.transaction(() => {
      this.#store.queue.remove(id);
      if (state.state !== 'paused') return;
      this.#store.runs.setPaused(id, false);
      this.#store.runs.endAttempt(id, { state: 'stopped' });
    });
    this.#scheduler.touchQueue(id);
  }

  /** @param before which they are to begin, one that waits as well; all others if it is not said, none if it is null */
  reorder(ids: readonly string[], before?: string | null): void {
    const waiting = this.#store.queue.entries().map(({ run }) => run);
    const named = typeof before === 'string' ? [...ids, before] : ids;
    const stranger = named.find((id) => !waiting.includes(id));
    if (stranger !== undefined) throw new UserError(`${stranger} does not wait in the queue: it cannot be moved there`);
    if (typeof before === 'string' && ids.includes(before)) {
      throw new UserError(`${before} cannot begin before itself: name another`);
    }
    const others = waiting.filter((id) => !ids.includes(id));
    const place = before === undefined ? 0 : before === null ? others.length : others.indexOf(before);
    this.#store.queue.reorder([...others.slice(0, place), ...ids, ...others.slice(place)]);
    this.#scheduler.touchQueue();
  }

  /** All or none. */
  annotate({ ids, name, note, colour, addTags, removeTags }: Annotation): void {
    const { runs } = this.#store;
    this.#store.transaction(() => {
      for (const id of ids) {
        if (name !== undefined) runs.rename(id, name);
        if (note !== undefined) runs.setNote(id, note);
        if (colour !== undefined) runs.setColour(id, colour);
        runs.removeTags(id, removeTags);
        runs.addTags(id, addTags);
      }
    });
    this.#changes.touch(ids);
  }

  pin(ids: readonly string[]): void {
    this.#changes.touch(this.#store.runs.pin(ids));
  }

  /** @param value any JSON value; undefined takes the setting back */
  set(name: string, value: unknown): void {
    this.#store.settings.set(name, value);
  }

  /** All or none. */
  trash(ids: readonly string[]): void {
    const busy = ids.find((id) => this.#scheduler.trainerOf(id) !== undefined);
    if (busy !== undefined) throw new UserError(`${busy} is being trained: "sparrow stop ${busy}" first`);
    this.#store.transaction(() => {
      for (const id of ids) this.#store.runs.trash(id);
    });
    this.#scheduler.touchQueue(...ids);
  }

  restore(ids: readonly string[]): void {
    this.#store.transaction(() => {
      for (const id of ids) this.#store.runs.restore(id);
    });
    this.#changes.touch(ids);
  }

  /** @returns bytes that the disk has back */
  purge(ids: readonly string[]): number {
    const outside = ids.find((id) => !this.#store.runs.isTrashed(id)); // a damaged run, too, can be deleted
    if (outside !== undefined) throw new UserError(`${outside} is not in the trash: "sparrow rm ${outside}" first`);
    for (const id of ids) refuseWhileTrained(id, this.#folderOf(id));
    try {
      return ids.reduce((sum, id) => sum + purgeRun(this.#store.runs, id, this.#folderOf(id)), 0);
    } finally {
      this.#changes.touch(ids);
    }
  }

  /** Deletes a run that never began, as if it had never been asked for. */
  discard(id: string): void {
    const record = this.#store.runs.get(id);
    const begun = record.progress.lastEvent !== null || record.attempts.length > 1;
    if (!isEnd(this.#scheduler.states.of(record)) || begun) {
      throw new UserError(`${id} has begun: "sparrow rm ${id}" puts it into the trash`);
    }
    this.#store.runs.trash(id);
    this.purge([id]);
  }

  /** These wait now. */
  #queued(ids: readonly string[], restarts: number): void {
    this.#asked = true;
    for (const id of ids) this.#scheduler.restarts.allow(id, restarts);
    this.#scheduler.touchQueue(...ids);
    this.#scheduler.advance();
  }

  /** A run that rests: its trainer goes on, or a new one begins before all others. */
  #goOn(id: string, threads: number | undefined): void {
    const trainer = this.#scheduler.trainerOf(id);
    this.#store.transaction(() => {
      this.#store.runs.setPaused(id, false);
      if (trainer !== undefined) return;
      this.#enqueue(id, threads);
      this.#store.queue.reorder([id]);
    });
    if (trainer !== undefined) {
      trainer.continue();
      return;
    }
    this.#asked = true;
    this.#scheduler.touchQueue(id);
    this.#scheduler.advance();
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

  #trainerOf(id: string, wish: string): Trainer {
    const trainer = this.#scheduler.trainerOf(id);
    if (trainer !== undefined) return trainer;
    const { state } = this.#scheduler.states.ofId(id);
    throw new UserError(`${id} is ${state}: only a run that is being trained can be ${wish}`);
  }
}
