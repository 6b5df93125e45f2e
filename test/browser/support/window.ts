import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { chromiumArguments, findChromium } from '../../../scripts/chromium.mjs';
import { gone } from '../../support/process.js';

const usualBundle = join(import.meta.dirname, '../../../out/main/sparrow.js');
/** A machine may be slow and busy: what is waited for is waited for so long. */
export const patienceMs = 60_000;

/** `sparrow serve`, as it is installed. */
export class Server {
  readonly process: ChildProcess;
  readonly #links: string[] = [];
  readonly #waiting = new Set<() => void>();
  #said = '';

  /** @param home its data folder */
  constructor(
    home: { readonly path: string },
    { port = 0, bundle = usualBundle }: { port?: number; bundle?: string } = {},
  ) {
    const child = spawn(process.execPath, [bundle, 'serve', '--port', String(port)], {
      env: { ...process.env, SPARROW_HOME: home.path },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process = child;
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#take(line);
    });
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.#take(line);
    });
    child.on('exit', () => {
      this.#wake();
    });
  }

  /** A link that works once. */
  async link(): Promise<string> {
    for (const deadline = Date.now() + patienceMs; ;) {
      const link = this.#links.pop();
      if (link !== undefined) return link;
      if (this.process.exitCode !== null || Date.now() > deadline)
        throw new Error(`serve gives no link: ${this.#said}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 500);
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** What it said so far. */
  get said(): string {
    return this.#said;
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill(signal);
    await Promise.race([once(this.process, 'exit'), gone(this.process.pid!)]);
  }

  #take(line: string): void {
    this.#said += `${line}\n`;
    const link = /https?:\/\/\S+#token=[\w-]+/.exec(line)?.[0];
    if (link !== undefined) this.#links.push(link);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

export async function openBrowser(...more: string[]): Promise<Browser> {
  const args = [...chromiumArguments, ...more];
  return chromium.launch({ executablePath: await findChromium(), args, timeout: patienceMs });
}

/** A page, and all that went wrong in it. */
export async function openPage(context: BrowserContext): Promise<{ page: Page; problems: string[] }> {
  const page = await context.newPage();
  page.setDefaultTimeout(patienceMs);
  const problems: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(String(error.stack ?? error)));
  return { page, problems };
}
