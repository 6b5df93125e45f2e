import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { messageOf, UserError } from '../../../shared/errors.js';
import { presetNamed } from '../../../shared/presets.js';
import { parseRunConfig, type PartialRunConfig, type RunConfig } from '../../../shared/run-config.js';
import { sweep } from '../../../shared/sweep.js';
import { attend } from './attend.js';
import { cursorNow } from './follow.js';
import { askInBackground, Session } from './session.js';

interface TrainOptions {
  readonly preset?: string;
  readonly config?: string;
  readonly set: readonly string[];
  readonly seeds?: number;
  readonly name?: string;
  readonly restarts: number;
  readonly detach?: true;
  readonly json?: true;
}

/** `sparrow train [--preset NAME | --config FILE] [--set FIELD=VALUE]... [--seeds N] [--name NAME] [--detach] [--json]` */
export function trainCommand(): Command {
  return new Command('train')
    .description('Train a run to its test perplexity; a field that is set to a list makes a run of each value.')
    .option('--preset <name>', 'begin with a preset (see "sparrow presets")')
    .option('--config <file>', 'begin with a configuration in a JSON file')
    .option(
      '--set <field=value>',
      'set a field, for example method.density=0.2, or =[0.1,0.33] for a run of each; may be repeated',
      append,
      [],
    )
    .option('--seeds <n>', 'train each with so many seeds, counting from the configured one', wholeNumber(1, 10_000))
    .option('--name <name>', 'what to call the run')
    .option(
      '--restarts <n>',
      'start a trainer that dies again, so often without a new checkpoint',
      wholeNumber(0, 1000),
      0,
    )
    .option('--detach', 'do not wait for it: it is trained in the background')
    .option('--json', 'events as JSON lines; with --detach the ids as a JSON array')
    .action(async (options: TrainOptions) => {
      const configs = configsOf(options);
      if (options.detach === true) await detach(configs, options);
      else await train(configs, options);
    });
}

/** `sparrow resume ID [--threads N] [--json]` */
export function resumeCommand(): Command {
  return new Command('resume')
    .description('Go on with a run that is paused, or was stopped or interrupted, from its last checkpoint.')
    .argument('<id>', 'the run')
    .option('--threads <n>', 'most threads to use from now on', wholeNumber(0, 1024))
    .option(
      '--restarts <n>',
      'start a trainer that dies again, so often without a new checkpoint',
      wholeNumber(0, 1000),
      0,
    )
    .option('--json', 'events as JSON lines')
    .action(async (id: string, { threads, restarts, json }: { threads?: number; restarts: number; json?: true }) => {
      const session = await Session.open();
      try {
        const cursor = await cursorNow(session.client);
        const most = threads === undefined ? {} : { threads };
        await session.ask((client) => client.runs.resume({ id, restarts, ...most }));
        session.start();
        await attend(session, [id], { json: json === true, created: false, cursor });
      } finally {
        await session.leave();
      }
    });
}

async function train(configs: readonly RunConfig[], { restarts, json }: TrainOptions): Promise<void> {
  const session = await Session.open();
  try {
    const cursor = await cursorNow(session.client);
    const { ids } = await session.ask((client) => client.runs.create({ configs: [...configs], restarts }));
    session.start();
    await attend(session, ids, { json: json === true, created: true, cursor });
  } finally {
    await session.leave();
  }
}

async function detach(configs: readonly RunConfig[], { restarts, json }: TrainOptions): Promise<void> {
  const { ids } = await askInBackground((client) => client.runs.create({ configs: [...configs], restarts }));
  process.stdout.write(json === true ? `${JSON.stringify(ids)}\n` : ids.map((id) => `${id}\n`).join(''));
}

function configsOf({ preset, config, set, seeds, name }: TrainOptions): RunConfig[] {
  if (preset !== undefined && config !== undefined) {
    throw new UserError('--preset and --config exclude each other: put the fields you want changed into --set');
  }
  let chosen: PartialRunConfig = {};
  if (preset !== undefined) chosen = presetNamed(preset).config;
  if (config !== undefined) chosen = readConfig(config);
  const settings = name === undefined ? set : [...set, `name=${name}`];
  return sweep(chosen, settings, seeds ?? 1).map((changed) => parseRunConfig(changed));
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

function append(setting: string, settings: readonly string[]): string[] {
  return [...settings, setting];
}

export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}
