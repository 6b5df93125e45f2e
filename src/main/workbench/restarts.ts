/** How often trainers that died may be started again: each so often without a new checkpoint in between. */
export class Restarts {
  readonly #of = new Map<string, { readonly cap: number; left: number }>();

  allow(id: string, cap: number): void {
    this.#of.set(id, { cap, left: cap });
  }

  forbid(id: string): void {
    this.#of.delete(id);
  }

  /** It has got further: its count begins anew. */
  forgive(id: string): void {
    const restarts = this.#of.get(id);
    if (restarts !== undefined) restarts.left = restarts.cap;
  }

  /** @returns whether there was one left */
  take(id: string): boolean {
    const restarts = this.#of.get(id);
    if (restarts === undefined || restarts.left === 0) return false;
    restarts.left -= 1;
    return true;
  }
}
