/**
 * Numbers the changes of runs' states and records, and wakes who waits for news of them. That an event was written is no
 * change: it wakes those that follow its run, and has its place in the database's cursor.
 */
export class Changes {
  readonly #numbers = new Map<string, number>();
  readonly #waiting = new Map<() => void, ReadonlySet<string> | undefined>();
  #number = 0;
  #moment = 0;
  #closed = false;

  /** Of the newest change. */
  get number(): number {
    return this.#number;
  }

  /** Another one after every change and every event. */
  get moment(): number {
    return this.#moment;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The states or records of these runs are others now. */
  touch(ids: Iterable<string>): void {
    this.#number += 1;
    const touched = [...ids];
    for (const id of touched) this.#numbers.set(id, this.#number);
    this.#wake(touched);
  }

  /** An event of a run was written down. */
  wrote(id: string): void {
    this.#wake([id]);
  }

  isNewer(id: string, number: number): boolean {
    return (this.#numbers.get(id) ?? 0) > number;
  }

  /** Runs that have changed after a number. */
  since(number: number): string[] {
    return [...this.#numbers].filter(([, changed]) => changed > number).map(([id]) => id);
  }

  /**
   * Resolves with the next change or event of some runs, or of any; after the bound; or when the owner ends.
   * @param since a moment: if there has been anything after it, it resolves at once
   */
  next(runs: readonly string[] | undefined, boundMs: number, since = this.#moment): Promise<void> {
    if (this.#closed || since !== this.#moment) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, boundMs);
      this.#waiting.set(wake, runs === undefined ? undefined : new Set(runs));
    });
  }

  /** Nobody waits any more. */
  close(): void {
    this.#closed = true;
    for (const wake of [...this.#waiting.keys()]) wake();
  }

  #wake(ids: readonly string[]): void {
    this.#moment += 1;
    for (const [wake, runs] of [...this.#waiting]) if (runs === undefined || ids.some((id) => runs.has(id))) wake();
  }
}
