import { fork } from 'node:child_process';
import { join } from 'node:path';
import { UserError } from '../shared/errors.js';
import { corpusReplySchema, type CorpusJob, type CorpusReply } from '../shared/corpus-jobs.js';
import { whenGone } from './child.js';

type Done = Extract<CorpusReply, { type: 'done' }>;

/**
 * Has a corpus process do a job.
 * @param signal ends it
 * @param program the bundle of corpus-process.ts
 * @throws UserError with what went wrong
 */
export async function runCorpusJob(
  job: CorpusJob,
  onProgress: (progress: Extract<CorpusReply, { type: 'progress' }>) => void = () => undefined,
  signal?: AbortSignal,
  program = join(import.meta.dirname, 'corpus-process.js'),
): Promise<Done> {
  const child = fork(program, [], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let result: Exclude<CorpusReply, { type: 'progress' }> | undefined;
  child.on('message', (raw) => {
    const reply = corpusReplySchema.parse(raw);
    if (reply.type === 'progress') onProgress(reply);
    else result = reply;
  });
  signal?.addEventListener('abort', () => child.kill());
  child.send(job);
  const how = await whenGone(child);
  if (result === undefined) throw new UserError(`the corpus process ended with ${how}: start the command again`);
  if (result.type === 'done') return result;
  throw result.stack === undefined ? new UserError(result.message) : defect(result.message, result.stack);
}

/** An error of ours that happened in another process. */
function defect(message: string, stack: string): Error {
  const error = new Error(message);
  error.stack = stack;
  return error;
}
