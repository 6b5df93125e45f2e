import { Command } from 'commander';
import { UserError } from '../../../shared/errors.js';
import { showWindow } from '../window.js';
import { portOption, say, serveUntilEnd, untilAsked } from './serve.js';
import { oneLine } from './tell.js';

/** `npm start`: the window where there can be one, and the same application in a browser where there cannot. */
export function startCommand(): Command {
  return new Command('start')
    .description('Open the window, or serve the application where there can be none.')
    .addOption(portOption())
    .action(async ({ port }: { port?: number }) => {
      const asked = untilAsked();
      try {
        process.exitCode = await showWindow(asked, say);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        if (asked.aborted) return; // while it was being opened
        say(`${oneLine(error.message)}. The same application is served to your browser instead`);
        await serveUntilEnd(asked, { port, demonstrate: true });
      }
    });
}
