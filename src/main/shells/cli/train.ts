import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { assertNever, messageOf, UserError } from '../../../shared/errors.js';
import { presetNamed } from '../../../shared/presets.js';
import { applySettings, parseRunConfig, type PartialRunConfig, type RunConfig } from '../../../shared/run-config.js';
import { corporaFolder, prepareDataFolder } from '../../data-folder.js';
import { RunFolder } from '../../run-folder.js';
import { Trainer, type TrainerEnd } from '../../trainers/trainer.js';
import { barProgress, jsonProgress, lineProgress, type Progress } from './progress.js';
import { summary } from './summary.js';

interface TrainOptions {
  readonly preset?: string;
  readonly config?: string;
  readonly set: readonly string[];
  readonly name?: string;
  readonly json?: true;
}

/** `sparrow train [--preset NAME | --config FILE] [--set FIELD=VALUE]... [--name NAME] [--json]` */
export function trainCommand(): Command {
  return new Command('train')
    .description('Train a run to its test perplexity.')
    .option('--preset <name>', 'begin with a preset (see "sparrow presets")')
    .option('--config <file>', 'begin with a configuration in a JSON file')
    .option('--set <field=value>', 'set a field, for example method.density=0.2; may be repeated', append, [])
    .option('--name <name>', 'what to call the run')
    .option('--json', 'events as JSON lines')
    .action(async (options: TrainOptions) => {
      const config = configOf(options);
      prepareDataFolder();
      await follow(RunFolder.create(config), config, false, options.json === true);
    });
}

/** `sparrow resume ID [--threads N] [--json]` */
export function resumeCommand(): Command {
  return new Command('resume')
    .description('Go on with a run that was stopped or interrupted, from its last checkpoint.')
    .argument('<id>', 'the run')
    .option('--threads <n>', 'most threads to use from now on', threads)
    .option('--json', 'events as JSON lines')
    .action(async (id: string, options: { threads?: number; json?: true }) => {
      const run = RunFolder.open(id);
      if (run.events.at(-1)?.type === 'finished') throw new UserError(`${id} is finished: there is nothing to resume`);
      const device = { ...run.config.device, threads: options.threads ?? run.config.device.threads };
      await follow(run, { ...run.config, device }, true, options.json === true);
    });
}

function configOf({ preset, config, set, name }: TrainOptions): RunConfig {
  if (preset !== undefined && config !== undefined) {
    throw new UserError('--preset and --config exclude each other: put the fields you want changed into --set');
  }
  let chosen: PartialRunConfig = {};
  if (preset !== undefined) chosen = presetNamed(preset).config;
  if (config !== undefined) chosen = readConfig(config);
  const settings = name === undefined ? set : [...set, `name=${name}`];
  return parseRunConfig(applySettings(chosen, settings));
}

function readConfig(file: string): PartialRunConfig {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').replace(/^\uFEFF/, ''); // the mark that Windows editors put first
  } catch (error) {
    throw new UserError(`cannot read the configuration ${file}: ${messageOf(error)}`);
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    const reason = messageOf(error).replaceAll(/\s+/g, ' '); // it quotes the file, line ends and all
    const remedy = 'it must be JSON: no comments, no trailing commas';
    throw new UserError(`cannot read the configuration ${file}: ${reason}; ${remedy}`);
  }
  parseRunConfig(content); // so that an error in the file is told before one in --set
  return content as PartialRunConfig;
}

/** Runs a trainer to its end, shows how it goes, and leaves the exit status behind. */
async function follow(run: RunFolder, config: RunConfig, resume: boolean, json: boolean): Promise<void> {
  const progress = progressFor(run, json);
  const command = { config, folder: run.path, corpora: corporaFolder(), resume };
  const trainer = new Trainer(command, (sequence, event) => {
    run.append(sequence, event);
    progress.show(event);
    if (event.type === 'paused') rest();
  });
  pauseOnSignals(trainer);
  const signal = stopOnSignals(trainer, progress);
  const end = await trainer.end;
  progress.stop();
  conclude(run, end, { json, resumed: resume, signal: signal() });
}

function progressFor(run: RunFolder, json: boolean): Progress {
  if (json) return jsonProgress(run.id);
  const drawable = process.stderr.isTTY && process.env['TERM'] !== 'dumb';
  return drawable ? barProgress(run.id) : lineProgress(run.id);
}

/** What is left to say and the exit status. */
function conclude(
  run: RunFolder,
  end: TrainerEnd,
  { json, resumed, signal }: { json: boolean; resumed: boolean; signal: NodeJS.Signals | undefined },
): void {
  const resume = `go on with "sparrow resume ${run.id}"`;
  switch (end.kind) {
    case 'finished':
      if (!json) process.stdout.write(summary(run.id, run.events));
      return;
    case 'stopped':
      process.stderr.write(`sparrow: ${run.id} is stopped and checkpointed: ${resume}\n`);
      process.exitCode = exitStatusOf(signal ?? 'SIGTERM');
      return;
    case 'refused':
      if (!resumed && run.events.length === 0) run.remove();
      throw errorOf(end);
    case 'failed':
      throw errorOf(end);
    case 'interrupted': {
      const text = `${run.id} was interrupted: ${end.reason}; ${resume}`;
      if (signal === undefined) throw new UserError(text);
      process.stderr.write(`sparrow: ${text}\n`);
      process.exitCode = exitStatusOf(signal);
      return;
    }
    default:
      assertNever(end);
  }
}

/** What shells report of a command that a signal has ended: 128 and the signal's number. */
function exitStatusOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

function errorOf({ message, stack }: { message: string; stack?: string | undefined }): Error {
  if (stack === undefined || stack === '') return new UserError(message);
  const error = new Error(message);
  error.stack = stack;
  return error;
}

/**
 * Ctrl+C and its kin checkpoint and stop; the same once more ends at once.
 * @returns a function that tells which signal came first
 */
function stopOnSignals(trainer: Trainer, progress: Progress): () => NodeJS.Signals | undefined {
  let first: NodeJS.Signals | undefined;
  let last: { signal: NodeJS.Signals; at: number } | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    const now = performance.now();
    if (first === undefined) {
      first = signal;
      progress.interrupt('sparrow: stopping at the next step and writing a checkpoint');
      trainer.stop();
    }
    if (last?.signal !== signal) last = { signal, at: now };
    // One key press can arrive twice, from the terminal and from the script that started us.
    else if (now - last.at > 500) trainer.kill();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  return () => first;
}

/** Ctrl+Z checkpoints before it rests; `fg` or `bg` goes on. */
function pauseOnSignals(trainer: Trainer): void {
  if (process.platform === 'win32') return;
  process.on('SIGTSTP', () => {
    trainer.pause();
  });
  process.on('SIGCONT', () => {
    trainer.continue();
  });
}

/** Only now, with a checkpoint on disk, does this process rest as Ctrl+Z has asked; the shell gets its cursor back. */
function rest(): void {
  if (process.stderr.isTTY) process.stderr.write('\u001B[?25h\n');
  process.kill(process.pid, 'SIGSTOP');
}

function append(setting: string, settings: readonly string[]): string[] {
  return [...settings, setting];
}

function threads(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= 1024) return value;
  throw new InvalidArgumentError('It must be a whole number from 0 to 1024.');
}
