/**
 * Elements for the rows that are seen: a row keeps its own while it is seen, and one that comes into view takes over that of
 * one that has left. Were they made anew, fast scrolling would drop frames.
 */
export class Slots {
  readonly #taken = new Map<string, number>();
  readonly #free: number[] = [];

  /** The slot of each of these rows, in their order; all other rows leave theirs. */
  of(ids: readonly string[]): number[] {
    const seen = new Set(ids);
    for (const [id, slot] of this.#taken) {
      if (seen.has(id)) continue;
      this.#free.push(slot);
      this.#taken.delete(id);
    }
    return ids.map((id) => {
      const slot = this.#taken.get(id) ?? this.#free.shift() ?? this.#taken.size;
      this.#taken.set(id, slot);
      return slot;
    });
  }
}
