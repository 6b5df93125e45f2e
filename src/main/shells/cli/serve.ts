import { once } from 'node:events';
import { Command, Option } from 'commander';
import { messageOf } from '../../../shared/errors.js';
import { dataFolder } from '../../data-folder.js';
import { openInBrowser } from '../web/open.js';
import { serve } from '../web/serve.js';
import { tell } from './tell.js';
import { wholeNumber } from './train.js';

/** `sparrow serve [--port N] [--open]` */
export function serveCommand(): Command {
  return new Command('serve')
    .description('Show the application in a browser, on 127.0.0.1 and behind a link that works once.')
    .addOption(portOption())
    .option('--open', 'open it in the browser')
    .action(async ({ port, open }: { port?: number; open?: true }) => {
      await serveUntilEnd(untilAsked(), { port, open: open === true });
    });
}

export function portOption(): Option {
  return new Option('--port <n>', 'port to listen on; 0 for any that is free').argParser(wholeNumber(0, 65_535));
}

interface ServeOptions {
  readonly port: number | undefined;
  readonly open?: boolean;
  /** Whether somebody who has no runs yet is shown some. */
  readonly demonstrate?: boolean;
}

/** Serves the application until it is asked to end. Its link is all that standard output gets. */
export async function serveUntilEnd(
  asked: AbortSignal,
  { port, open = false, demonstrate = false }: ServeOptions,
): Promise<void> {
  const spent = new AbortController();
  const served = await serve({
    port,
    onDefect: tell,
    onOpened: (next) => {
      spent.abort();
      say(`a page is open; the link for another: ${next}`);
    },
  });
  try {
    if (demonstrate) await (await served.host.client()).runs.demonstrate({});
    say('open this link in a browser; it works once. Ctrl+C ends Sparrow');
    process.stdout.write(`${served.link}\n`);
    if (process.env['SSH_CONNECTION'] !== undefined) {
      say(`where you sit, "ssh -L ${served.port}:127.0.0.1:${served.port} THIS-MACHINE" has the same link lead here`);
    }
    if (open) await openOrSay(served.link, spent.signal);
    if (!asked.aborted) await once(asked, 'abort');
  } finally {
    spent.abort();
    const busy = await served.host.underWay().catch(() => []);
    if (busy.length > 0) {
      say(
        `${busy.map(({ id }) => id).join(', ')}: a checkpoint is written before Sparrow ends (Ctrl+C again: at once, without)`,
      );
    }
    const waiting = await served.close();
    const verb = waiting.length === 1 ? 'waits' : 'wait';
    if (waiting.length > 0) say(`${waiting.join(', ')} ${verb} with a checkpoint: the next Sparrow goes on`);
  }
}

async function openOrSay(link: string, spent: AbortSignal): Promise<void> {
  try {
    await openInBrowser(link, dataFolder(), spent);
  } catch (error) {
    say(`no browser could be opened (${messageOf(error)}): open the link yourself`);
  }
}

/** Aborts when this process is asked to end. Asked again it ends at once, and trainers with it. */
export function untilAsked(): AbortSignal {
  const asked = new AbortController();
  let first = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      const now = performance.now();
      // One key press can arrive twice, from the terminal and from the script that started us.
      if (first > 0 && now - first > 500) process.exit(1);
      first ||= now;
      asked.abort();
    });
  }
  return asked.signal;
}

export function say(text: string): void {
  process.stderr.write(`sparrow: ${text}\n`);
}
