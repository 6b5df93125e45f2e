import { derivedState, type Standing } from '../../shared/derived-state.js';
import type { RunState, TrainerEnd, TrainerState } from '../../shared/run-state.js';
import type { ReadableStore } from '../store/store.js';
import type { Changes } from './changes.js';

/** The trainers that answer. */
export interface Living {
  readonly size: number;
  /** Of a run's trainer, if it has one. */
  stateOf(id: string): TrainerState | undefined;
}

/** Derives the states of runs from what is stored and from whether their trainers answer. */
export class States {
  readonly #store: ReadableStore;
  readonly #changes: Changes;
  readonly #living: Living;
  /** How runs ended whose end could not be written: told until they begin again, or this owner ends. */
  readonly #unwritten = new Map<string, TrainerEnd>();
  #ahead: { readonly number: number; readonly places: ReadonlyMap<string, number> } | undefined;

  constructor(store: ReadableStore, changes: Changes, living: Living) {
    this.#store = store;
    this.#changes = changes;
    this.#living = living;
  }

  /** @param standing as the database says at this moment: what has changed since it was read is read again */
  of(standing: Standing): RunState {
    const { id } = standing;
    const ahead = standing.queued === null ? 0 : (this.#places().get(id) ?? 0);
    const state = derivedState(standing, { live: this.#living.stateOf(id), ahead });
    return state.state === 'interrupted' ? (this.#unwritten.get(id) ?? state) : state;
  }

  /** @throws UserError where there is no such run */
  ofId(id: string): RunState {
    return this.of(this.#store.runs.standing(id));
  }

  /** The end of a run could not be written down. */
  keep(id: string, end: TrainerEnd): void {
    this.#unwritten.set(id, end);
  }

  /** A run begins again. */
  forget(id: string): void {
    this.#unwritten.delete(id);
  }

  /** How many runs are to begin before each that waits. */
  #places(): ReadonlyMap<string, number> {
    const { number } = this.#changes;
    if (this.#ahead?.number !== number) {
      const waiting = this.#store.queue.entries();
      this.#ahead = { number, places: new Map(waiting.map(({ run }, place) => [run, place + this.#living.size])) };
    }
    return this.#ahead.places;
  }
}
