import { fork } from 'node:child_process';
import { join } from 'node:path';
import { engineNames, engines, preference, type EngineName, type Host } from '../../shared/engines.js';
import { messageOf, UserError } from '../../shared/errors.js';
import type { RunConfig } from '../../shared/run-config.js';
import {
  trainerMessageSchema,
  type EngineReport,
  type RunFacts,
  type StepBenchmark,
  type TrainerCommand,
  type TrainerMessage,
} from '../../shared/run-events.js';
import { whenGone } from '../child.js';
import { LastWords } from './last-words.js';
import { plainNode } from './plain-node.js';

/**
 * Tries every engine on each of its devices, in a process of its own each: a driver that takes its process down is one that
 * does not work.
 */
export async function probeEngines(): Promise<EngineReport[]> {
  const perEngine = await Promise.all(
    engineNames.map(async (engine) => {
      const first = await probe(engine, 'auto');
      const others = first.devices.filter(({ id }) => id !== (first.device ?? first.devices[0]).id);
      return [first, ...(await Promise.all(others.map(({ id }) => probe(engine, id))))];
    }),
  );
  return perEngine.flat();
}

/** What `auto` comes to. */
export function bestOf(reports: readonly EngineReport[]): EngineReport | undefined {
  return preference
    .map(([engine, kind]) =>
      reports.find(({ name, works, device }) => works && name === engine && device?.kind === kind),
    )
    .find((report) => report !== undefined);
}

/** Where the engine may live that `auto` comes to on this machine. A window waits for it: a driver that takes long is left alone. */
export async function hostOfAuto(): Promise<Host> {
  for (const [engine, kind] of preference) {
    if (plainNode() === undefined || engines[engine].host === 'any') return 'any';
    const { works, device } = await probe(engine, 'auto', { patienceMs: 5000 });
    if (works && device?.kind === kind) return 'node';
  }
  return 'any';
}

/** @param env in place of this process's environment */
export async function probe(
  engine: EngineName,
  id: string,
  { env = process.env, patienceMs = 60_000 } = {},
): Promise<EngineReport> {
  try {
    const answer = await ask({ type: 'probe', engine, id }, patienceMs, env);
    if ('engine' in answer) return answer.engine;
  } catch (error) {
    return { name: engine, works: false, detail: messageOf(error), device: null, devices: [] };
  }
  throw new Error('a probe was answered with something else');
}

/**
 * Has a trainer process time training steps.
 * @throws UserError where the configuration does not fit the machine
 */
export async function benchStep(
  command: Omit<Extract<TrainerCommand, { type: 'bench' }>, 'type'>,
): Promise<StepBenchmark> {
  const answer = await ask({ type: 'bench', ...command }, 3_600_000);
  if ('benchmark' in answer) return answer.benchmark;
  throw new Error('a benchmark was answered with something else');
}

/**
 * Has a trainer process say what a configuration amounts to.
 * @param corpora folder of those that were fetched and imported
 * @throws UserError where it does not fit the machine, or its corpus is not there
 */
export async function factsOf(config: RunConfig, corpora: string): Promise<RunFacts> {
  const answer = await ask({ type: 'facts', config, corpora }, 60_000);
  if ('facts' in answer) return answer.facts;
  throw new Error('a question for facts was answered with something else');
}

/** One question to a trainer process of its own. What it says on standard error matters where it does not answer. */
async function ask(command: TrainerCommand, patienceMs: number, env = process.env): Promise<TrainerMessage> {
  const child = fork(join(import.meta.dirname, 'trainer-process.js'), [], {
    execPath: plainNode() ?? process.execPath,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env,
  });
  const words = new LastWords();
  child.stderr!.on('data', (chunk: Buffer) => {
    words.add(chunk);
  });
  let answer: TrainerMessage | undefined;
  child.on('message', (raw) => {
    answer = trainerMessageSchema.parse(raw);
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  child.send(command);
  const how = await whenGone(child);
  clearTimeout(timer);
  if (answer === undefined) {
    const said = words.text === '' ? '' : `: ${words.text}`;
    throw new UserError(`the trainer process ended with ${how} before it answered${said}`);
  }
  if (!('refused' in answer)) return answer;
  const { message, stack } = answer.refused;
  if (stack === undefined) throw new UserError(message);
  const error = new Error(message);
  error.stack = stack;
  throw error;
}
