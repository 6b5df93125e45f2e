import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventsOf, story } from './sparrow.js';

/** A second or so of training, with averaging, dropout and topology updates. */
const settings = {
  'model.embedding': 16,
  'model.hidden': 16,
  'model.dropout.input': 0.2,
  'method.removingRate': 0.5,
  'optimizer.learningRate': 5,
  'optimizer.averagingFrom': 3,
  'corpus.vocabulary': 100,
  'corpus.tokens': 3000,
  'training.epochs': 12,
  'training.batch': 10,
  'training.bptt': 10,
  'training.evaluationBatch': 4,
  'training.reportEvery': 5,
};

/** The command that trains the small run under a name. */
export const train = (name: string) => [
  'train',
  '--json',
  ...['--name', name],
  ...Object.entries(settings).flatMap(([field, value]) => ['--set', `${field}=${value}`]),
];

/** Losses, masks and final weights of a run; tensors by the checksums of their files. */
export function outcome(run: string) {
  const folder = join(run, 'checkpoints');
  const last = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort(bySequence)
    .at(-1)!;
  const state = JSON.parse(readFileSync(join(folder, last), 'utf8')) as Record<'tensors' | 'best', { sha256: string }>;
  const masks = createHash('sha256')
    .update(readFileSync(join(run, 'masks.bin')))
    .digest('hex');
  return { story: story(eventsOf(run)), masks, weights: state.tensors.sha256, best: state.best.sha256 };
}

/** step-000000080-12.json: the second number counts events. */
function bySequence(a: string, b: string): number {
  const sequence = (name: string) => Number(/-(\d+)\.json$/.exec(name)?.[1]);
  return sequence(a) - sequence(b);
}
