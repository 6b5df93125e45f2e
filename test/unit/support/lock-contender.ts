import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'vite';
import { onTestFinished } from 'vitest';

/** What a contender makes of an order: the error's message where it was refused. */
export type Answer = { readonly held: true } | { readonly held: false; readonly refusal: string };

/** Waits for `{ at, path }`, tries to get that lock at that time, answers and keeps it until `{ release: true }`. */
const script = `
import { ProcessLock } from './process-lock.mjs';
let lock;
process.on('message', ({ at, path, release }) => {
  if (release) {
    lock?.release();
    lock = undefined;
    process.send('released');
    return;
  }
  while (Date.now() < at);
  try {
    lock = new ProcessLock(path, 'the run');
    process.send({ held: true });
  } catch (error) {
    process.send({ held: false, refusal: error.message });
  }
});
process.send('ready');
`;

/** Another process that takes locks with the real class, which Node alone cannot load: it is bundled first. */
export class LockContender {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** @param folder for the program they run */
  static async start(folder: string, count: number): Promise<LockContender[]> {
    await build({
      configFile: false,
      logLevel: 'silent',
      build: {
        ssr: resolve(import.meta.dirname, '../../../src/system/process-lock.ts'),
        outDir: folder,
        emptyOutDir: false,
        rolldownOptions: { output: { entryFileNames: 'process-lock.mjs' } },
      },
    });
    const program = join(folder, 'contender.mjs');
    writeFileSync(program, script);
    return Promise.all(
      Array.from({ length: count }, async () => {
        const child = fork(program, { execArgv: [] });
        onTestFinished(() => {
          child.kill('SIGKILL');
        });
        await once(child, 'message');
        return new LockContender(child);
      }),
    );
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Tries to get the lock, at a time (ms since 1970) on which contenders can agree. */
  async acquire(path: string, at = 0): Promise<Answer> {
    return (await this.#ask({ path, at })) as Answer;
  }

  async release(): Promise<void> {
    await this.#ask({ release: true });
  }

  /** Ends it without a chance to clean up. */
  async kill(): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }

  async #ask(order: object): Promise<unknown> {
    const answer = once(this.#child, 'message');
    this.#child.send(order);
    const [message] = (await answer) as [unknown];
    return message;
  }
}
