import { Command } from 'commander';
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
    .option('--port <n>', 'port to listen on; 0 for any that is free', wholeNumber(0, 65_535))
    .option('--open', 'open it in the browser')
    .action(async ({ port, open }: { port?: number; open?: true }) => {
      let removeFile: () => void = () => undefined;
      const ended = endAsked();
      const served = await serve({
        port,
        onDefect: tell,
        onOpened: (next) => {
          removeFile();
          say(`a page is open; for another, ${next}`);
        },
      });
      say('the application is open to whoever has this link, once; Ctrl+C ends it');
      process.stdout.write(`${served.link}\n`);
      if (open === true) {
        try {
          removeFile = await openInBrowser(served.link, dataFolder());
        } catch (error) {
          say(`no browser could be opened (${messageOf(error)}): open the link yourself`);
        }
      }
      await ended;
      removeFile();
      const waiting = await served.close();
      if (waiting.length > 0) {
        say(
          `${waiting.join(', ')} ${waiting.length === 1 ? 'waits' : 'wait'} with a checkpoint: the next Sparrow goes on`,
        );
      }
    });
}

/** Resolves when this process is asked to end. Asked again it ends at once; trainers end with it. */
function endAsked(): Promise<void> {
  return new Promise((resolve) => {
    let first = 0;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        const now = performance.now();
        // One key press can arrive twice, from the terminal and from the script that started us.
        if (first > 0 && now - first > 500) process.exit(1);
        first ||= now;
        resolve();
      });
    }
  });
}

function say(text: string): void {
  process.stderr.write(`sparrow: ${text}\n`);
}
