import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { RunEvent, RunEventOf } from '../../src/shared/run-events.js';
import { evaluate } from '../../src/worker/evaluate.js';
import { adoptWeights, openRun } from '../../src/worker/run.js';
import { Home, inDatabase, Sparrow, sparrow } from '../support/sparrow.js';

const home = new Home();
afterAll(() => {
  home.remove();
});

const minutes = 60_000;

function last<Type extends RunEvent['type']>(events: readonly RunEvent[], type: Type): RunEventOf<Type> {
  const event = events.findLast((candidate): candidate is RunEventOf<Type> => candidate.type === type);
  if (event === undefined) throw new Error(`there is no event ${type}`);
  return event;
}

test(
  'the quick preset ends below a bigram model, which it could not without its recurrent weights',
  async () => {
    const running = new Sparrow(home, ['train', '--preset', 'quick-selfish', '--json'], {}, 5 * minutes);
    const { status, stdout, stderr } = await running.ended;
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const { reference } = last(running.events, 'started').corpus;
    const finished = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as RunEventOf<'finished'>;
    expect(finished).toMatchObject({
      type: 'finished',
      run: 'quick-selfish-1',
      bestPossiblePerplexity: reference.test.bestPossible,
    });
    expect(finished.testPerplexity).toBeGreaterThan(reference.test.bestPossible!);
    expect(finished.testPerplexity).toBeLessThan(reference.test.bigram);
    expect(finished.bestValidationPerplexity).toBeLessThan(reference.valid.bigram);

    const folder = home.run('quick-selfish-1');
    const { config } = inDatabase(folder, ({ runs }) => runs.get('quick-selfish-1'));
    const run = await openRun(config, { run: folder, corpora: home.path }, true);
    const { parameters } = run.model;
    const validate = async () =>
      Math.exp((await evaluate(run.model, run.streams.valid, config.training.bptt, () => Promise.resolve(true)))!);
    adoptWeights(parameters, run.checkpoints.readBest());
    expect(await validate()).toBe(finished.bestValidationPerplexity);
    for (const parameter of parameters) if (parameter.name.endsWith('weight_hh')) parameter.fill('values', 0);
    expect(await validate()).toBeGreaterThan(reference.valid.bigram);
  },
  6 * minutes,
);

test(
  'three epochs on mini-PTB end below the unigram model of its training text',
  async (context) => {
    const data = process.env['SPARROW_DATA'];
    if (data === undefined)
      return context.skip('SPARROW_DATA is not set: it names the folder that holds ptb/valid.txt and ptb/test.txt');
    // The published test text to learn from, the halves of the validation text to validate and test on.
    const lines = readFileSync(join(data, 'ptb/valid.txt'), 'utf8').split('\n').slice(0, -1);
    expect(lines).toHaveLength(2 * 1685);
    const text = (part: string[]) => part.map((line) => `${line}\n`).join('');
    writeFileSync(join(home.path, 'valid.txt'), text(lines.slice(0, 1685)));
    writeFileSync(join(home.path, 'test.txt'), text(lines.slice(1685)));
    const files = {
      train: join(data, 'ptb/test.txt'),
      valid: join(home.path, 'valid.txt'),
      test: join(home.path, 'test.txt'),
    };
    const options = Object.entries(files).flatMap(([split, file]) => [`--${split}`, file]);
    const imported = await sparrow(home, ['data', 'import', 'mini-ptb', ...options]);
    expect(imported).toMatchObject({ status: 0, stderr: '' });
    expect(imported.stdout).toBe(
      'mini-ptb: 7,596 different words; 82,430, 37,124, 36,636 words to train, validate and test on\n',
    );

    const settings = [
      'corpus.name=mini-ptb',
      'training.epochs=3',
      'model.hidden=64',
      'model.embedding=64',
      'model.layers=1',
    ];
    const args = ['train', '--json', ...settings.flatMap((setting) => ['--set', setting])];
    const running = new Sparrow(home, args, {}, 10 * minutes);
    expect(await running.ended).toMatchObject({ status: 0, stderr: '' });
    const { reference } = last(running.events, 'started').corpus;
    const finished = last(running.events, 'finished');
    expect(finished.bestValidationPerplexity).toBeLessThan(reference.valid.unigram);
    expect(finished.testPerplexity).toBeLessThan(reference.test.unigram);
    expect(finished.bestPossiblePerplexity).toBeUndefined();
  },
  12 * minutes,
);
