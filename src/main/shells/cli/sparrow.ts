import { Command, CommanderError } from 'commander';
import { codeOf } from '../../../shared/errors.js';
import packageJson from '../../../../package.json';
import { noteCommand, renameCommand, tagCommand } from './annotate.js';
import { benchCommand } from './bench.js';
import { pauseCommand, removeCommand, stopCommand } from './control.js';
import { dataCommand } from './data.js';
import { devicesCommand } from './devices.js';
import { doctorCommand } from './doctor.js';
import { engineCommand } from './engine.js';
import { compareCommand, exportCommand } from './export.js';
import { ownerCommand } from './owner.js';
import { queueCommand } from './queue.js';
import { presetsCommand } from './presets.js';
import { reportCommand } from './report.js';
import { reproduceCommand } from './reproduce.js';
import { runsCommand, showCommand } from './runs.js';
import { serveCommand } from './serve.js';
import { oneLine, tell } from './tell.js';
import { startCommand } from './start.js';
import { topologyCommand } from './topology.js';
import { resumeCommand, trainCommand } from './train.js';

/**
 * The command line. Exit status 0 only when the work was done; 1 when it was not, with one line on standard error that says
 * why and what to do; 2 when the command was not understood; 130 and 143 when it was interrupted.
 */
const program = new Command('sparrow')
  .description('Trains sparse recurrent language models on this machine.')
  .version(packageJson.version)
  .exitOverride()
  .configureOutput({
    outputError: (text, write) => {
      write(`sparrow: ${oneLine(text)}\n`);
    },
  });
for (const command of [
  trainCommand(),
  resumeCommand(),
  runsCommand(),
  showCommand(),
  pauseCommand(),
  stopCommand(),
  queueCommand(),
  removeCommand(),
  tagCommand(),
  noteCommand(),
  renameCommand(),
  exportCommand(),
  compareCommand(),
  topologyCommand(),
  presetsCommand(),
  reproduceCommand(),
  reportCommand(),
  dataCommand(),
  serveCommand(),
  benchCommand(),
  devicesCommand(),
  engineCommand(),
  doctorCommand(),
]) {
  program.addCommand(inheritSettings(command));
}
for (const hidden of [ownerCommand(), startCommand()]) program.addCommand(inheritSettings(hidden), { hidden: true });

/** Subcommands made apart do not take these from the program by themselves. */
function inheritSettings(command: Command): Command {
  command.copyInheritedSettings(program);
  for (const inner of command.commands) inheritSettings(inner);
  return command;
}

/**
 * Whoever reads our output may stop reading (`| head`), the terminal may be closed, or the disk it goes to be full: then there
 * is nobody to work for. A run that is under way is stopped and checkpointed.
 */
let unheard = false;
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: Error) => {
    if (unheard) return; // every further word fails as well, that of this handler included
    unheard = true;
    process.exitCode = 1;
    if (codeOf(error) !== 'EPIPE') process.stderr.write(`sparrow: cannot write what it has to say: ${error.message}\n`);
    if (process.listenerCount('SIGTERM') > 0) process.kill(process.pid, 'SIGTERM');
  });
}
// Started by the `sparrow` script, this process has a channel to it, which closes if the script is killed.
process.channel?.unref();
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitStatusOf(error);
}
for (const stream of [process.stdout, process.stderr]) await new Promise((resolve) => stream.write('', resolve));
// Nothing may keep a command alive that has done its work, such as a progress bar's timer.
process.exit();

function exitStatusOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (codeOf(error) === 'EPIPE') return 1; // whoever read our output has stopped
  tell(error);
  return 1;
}
