import { fork } from 'node:child_process';
import { join } from 'node:path';
import { UserError } from '../../shared/errors.js';
import { trainerMessageSchema, type EngineReport, type TrainerCommand } from '../../shared/run-events.js';
import { whenGone } from '../child.js';

const patienceMs = 60_000;

/**
 * Has a trainer process try every engine.
 * @throws UserError where it does not live to answer
 */
export async function probeEngines(): Promise<EngineReport[]> {
  const child = fork(join(import.meta.dirname, 'trainer-process.js'), [], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let reports: EngineReport[] | undefined;
  child.on('message', (raw) => {
    const message = trainerMessageSchema.parse(raw);
    if ('engines' in message) reports = message.engines;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  child.send({ type: 'probe' } satisfies TrainerCommand);
  const how = await whenGone(child);
  clearTimeout(timer);
  if (reports !== undefined) return reports;
  throw new UserError(`the trainer process ended with ${how} when it was asked for its engines`);
}
