const keptLines = 4; // from the beginning, and from the end
const keptLength = 500; // of each

/** The first and the last lines of what a process says on standard error. */
export class LastWords {
  readonly #lines: string[] = [];
  #open = '';

  add(chunk: Buffer | string): void {
    const lines = `${this.#open}${chunk.toString()}`.split(/\r?\n/);
    this.#open = lines.pop()!.slice(0, keptLength);
    for (const line of lines) keep(this.#lines, line);
  }

  /** Lines with bars between them, or ''. */
  get text(): string {
    const all = [...this.#lines];
    keep(all, this.#open);
    return all.join(' | ');
  }
}

function keep(lines: string[], line: string): void {
  if (line.trim() === '') return;
  lines.push(line.slice(0, keptLength));
  if (lines.length > 2 * keptLines) lines.splice(keptLines, 1);
}
