import { Presets, SingleBar } from 'cli-progress';
import { bytes } from './text.js';

/** Progress of a transfer: a bar on a terminal, a line a file elsewhere, JSON lines if asked for. */
export class TransferBar {
  readonly #json: boolean;
  #bar: SingleBar | undefined;
  #file = '';

  constructor(json: boolean) {
    this.#json = json;
  }

  show(file: string, received: number, total: number | undefined): void {
    if (this.#json) {
      process.stdout.write(`${JSON.stringify({ type: 'progress', file, received, total })}\n`);
      return;
    }
    if (file !== this.#file) this.#begin(file, total);
    this.#bar?.setTotal(total ?? received);
    this.#bar?.update(received, { amount: bytes(received) });
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #begin(file: string, total: number | undefined): void {
    this.stop();
    this.#file = file;
    if (!process.stderr.isTTY) {
      process.stderr.write(`${file}${total === undefined ? '' : `: ${bytes(total)}`}\n`);
      return;
    }
    const format = ' {name} |{bar}| {percentage}%  {amount}';
    this.#bar = new SingleBar({ format, hideCursor: true, stream: process.stderr }, Presets.shades_classic);
    this.#bar.start(total ?? 1, 0, { name: file.padEnd(5), amount: '' });
  }
}
