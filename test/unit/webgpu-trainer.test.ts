import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { PartialRunConfig } from '../../src/shared/run-config.js';
import { nodeTrainers } from '../../src/main/trainers/trainer-process.js';
import { Trainer, type NumberedEvent } from '../../src/main/trainers/trainer.js';
import { of } from './support/trainings.js';
import { temporaryFolder } from './support/temp-folder.js';
import { skipWithoutGpu } from './support/webgpu.js';

skipWithoutGpu();

const config: PartialRunConfig = {
  model: { embedding: 8, hidden: 8, layers: 1 },
  corpus: { vocabulary: 100, tokens: 1000 },
  training: { epochs: 2, batch: 5, bptt: 10, evaluationBatch: 2, reportEvery: 4 },
  device: { engine: 'webgpu' },
};

/** A trainer process whose device is lost after a step; after none if not told. */
function train(folder: string, { loseAt = 0, resume = false } = {}) {
  vi.stubEnv('SPARROW_TEST_LOSE_AT', String(loseAt));
  const written: NumberedEvent[] = [];
  const trainer = new Trainer(
    { config, folder, corpora: folder, resume },
    {
      write: (events) => written.push(...events),
      onState: () => undefined,
      spawn: () => nodeTrainers(join(import.meta.dirname, '../support/losing-trainer.mjs'))('webgpu'),
      patience: { startMs: 300_000, silenceMs: 300_000, stopMs: 300_000 },
    },
  );
  onTestFinished(async () => {
    trainer.kill();
    await trainer.end;
    vi.unstubAllEnvs();
  });
  return { end: trainer.end, events: () => written.map(({ event }) => event) };
}

const bound = { timeout: 600_000 };

test('a run whose device is lost is interrupted, and resumes from its checkpoint to the same end', bound, async () => {
  const folder = temporaryFolder();
  const lost = train(folder, { loseAt: 28 });
  expect(await lost.end).toMatchObject({
    state: 'interrupted',
    reason: expect.stringContaining('the GPU was lost: ') as string,
  });
  expect(of(lost.events(), 'checkpoint').map(({ step }) => step)).toEqual([20]);
  const resumed = train(folder, { resume: true });
  expect(await resumed.end).toEqual({ state: 'finished' });
  expect(of(resumed.events(), 'started')[0].resumedFrom).toBe(20);
  const whole = train(temporaryFolder());
  expect(await whole.end).toEqual({ state: 'finished' });
  const [{ testPerplexity, step }] = of(whole.events(), 'finished');
  expect(of(resumed.events(), 'finished')).toMatchObject([{ testPerplexity, step }]);
});
