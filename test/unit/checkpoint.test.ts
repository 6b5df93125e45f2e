import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { UserError } from '../../src/shared/errors.js';
import * as atomicFile from '../../src/worker/storage/atomic-file.js';
import { Checkpoints, type Checkpoint, type Tensors } from '../../src/worker/storage/checkpoint.js';
import { temporaryFolder } from './support/temp-folder.js';

vi.mock('../../src/worker/storage/atomic-file.js', { spy: true });

const { writeFileAtomic } = atomicFile;

const tensorsOf = (number: number): Tensors =>
  new Map([
    ['weights.values', { shape: [2, 2], data: Float32Array.of(number, 1, 2, 3) }],
    ['bits', { shape: [3], data: Uint8Array.of(1, 2, 3) }],
  ]);

/** A checkpoint whose every number tells which it is. */
function checkpointOf(number: number): Checkpoint {
  return {
    sequence: number,
    progress: {
      epoch: number,
      window: 2,
      step: 10 * number,
      updates: number,
      epochLoss: { sum: 1.25, words: 700 },
      report: { loss: 0.1 + 0.2, gradientNorm: 2 ** -30, steps: 3 },
      best: { epoch: number, loss: 4.2 },
      rewoundAfter: 0,
      validation: { losses: [5, 4.2], stalled: false },
      method: { threshold: 0.001, drift: { adjustment: 0, lacked: { sum: 0, updates: 0 } } },
      trainingMs: 12.5,
      flops: { training: 0.75, dense: 1.5 },
    },
    optimizer: { phase: 'asgd', history: [5, 4.5], steps: number },
    budgets: { hidden: [5, 7] },
    config: { seed: 1 },
    maskBytes: 100 + number,
    tensors: tensorsOf(number),
  };
}

/** A run with some checkpoints, and where their files are. */
function runOf(...numbers: number[]) {
  const run = temporaryFolder();
  const checkpoints = new Checkpoints(run);
  for (const number of numbers) checkpoints.save(checkpointOf(number));
  const folder = join(run, 'checkpoints');
  const file = (number: number, ending: string) =>
    join(folder, `step-${String(10 * number).padStart(9, '0')}-${number}.${ending}`);
  return { run, folder, checkpoints, file, last: () => new Checkpoints(run).last() };
}

const damaged = (path: string) =>
  new UserError(`${path} is damaged: delete the .json file of that checkpoint to resume from the one before`);

test('a new run has no checkpoint', () => {
  expect(runOf().last()).toBeUndefined();
});

test('the last checkpoint comes back with every number and tensor', () => {
  expect(runOf(1, 2).last()).toMatchObject(checkpointOf(2));
});

test('checkpoints are told apart by their sequence, whatever their steps', () => {
  const { run, last } = runOf(9, 10);
  const later = checkpointOf(11);
  new Checkpoints(run).save({ ...later, progress: { ...later.progress, step: 1 } });
  expect(last()?.sequence).toBe(11);
});

test('the JSON file takes its name after the tensors it speaks of', () => {
  const { checkpoints, file } = runOf();
  vi.mocked(writeFileAtomic).mockClear();
  checkpoints.save(checkpointOf(3));
  expect(vi.mocked(writeFileAtomic).mock.calls.map(([path]) => path)).toEqual([
    file(3, 'safetensors'),
    file(3, 'json'),
  ]);
});

for (const ending of ['safetensors', 'json']) {
  test(`a ${ending} file that cannot be written is explained, and the checkpoint before is the last`, () => {
    const { checkpoints, file, last } = runOf(1);
    const path = file(2, ending);
    mkdirSync(join(path, 'in the way'), { recursive: true });
    expect(() => checkpoints.save(checkpointOf(2))).toThrow(UserError);
    expect(() => checkpoints.save(checkpointOf(2))).toThrow(`cannot write ${path}: `);
    rmSync(path, { recursive: true });
    expect(last()).toMatchObject(checkpointOf(1));
  });
}

const damages: Record<string, (path: string) => void> = {
  missing: (path) => {
    rmSync(path);
  },
  truncated: (path) => {
    truncateSync(path, readFileSync(path).length - 1);
  },
  empty: (path) => {
    truncateSync(path, 0);
  },
  flipped: (path) => {
    const bytes = readFileSync(path);
    bytes[bytes.length - 2] ^= 1;
    writeFileSync(path, bytes);
  },
};
for (const [what, damage] of Object.entries(damages)) {
  test(`a tensors file that is ${what} is refused with its name and the remedy`, () => {
    const { file, last } = runOf(1, 2);
    damage(file(2, 'safetensors'));
    expect(last).toThrow(damaged(file(2, 'safetensors')));
  });
}

for (const content of ['', '{"format": 1', '{}', 'null']) {
  test(`a JSON file that is ${JSON.stringify(content)} is refused with its name and the remedy`, () => {
    const { file, last } = runOf(1, 2);
    writeFileSync(file(2, 'json'), content);
    expect(last).toThrow(damaged(file(2, 'json')));
  });
}

test('a JSON file of another format is refused with its name', () => {
  const { file, last } = runOf(1);
  writeFileSync(file(1, 'json'), readFileSync(file(1, 'json'), 'utf8').replace('"format": 1', '"format": 2'));
  expect(last).toThrow(damaged(file(1, 'json')));
});

test('without the last JSON file a run resumes from the checkpoint before', () => {
  const { file, last } = runOf(1, 2, 3);
  truncateSync(file(3, 'safetensors'), 5);
  rmSync(file(3, 'json'));
  expect(last()).toMatchObject(checkpointOf(2));
});

test('a run that has resumed from the checkpoint before saves over the damaged one', () => {
  const { run, file, last } = runOf(1, 2);
  truncateSync(file(2, 'safetensors'), 5);
  rmSync(file(2, 'json'));
  const resumed = new Checkpoints(run);
  expect(resumed.last()?.sequence).toBe(1);
  resumed.save(checkpointOf(2));
  expect(last()).toMatchObject(checkpointOf(2));
});

test('the last two checkpoints are kept', () => {
  const { folder } = runOf(1, 2, 3, 4);
  expect(readdirSync(folder).sort()).toEqual([
    'step-000000030-3.json',
    'step-000000030-3.safetensors',
    'step-000000040-4.json',
    'step-000000040-4.safetensors',
  ]);
});

test('the best weights come back after a checkpoint has named them', () => {
  const { run, checkpoints } = runOf();
  checkpoints.saveBest(1, tensorsOf(101));
  expect(checkpoints.readBest()).toEqual(tensorsOf(101));
  checkpoints.save(checkpointOf(1));
  const resumed = new Checkpoints(run);
  resumed.last();
  expect(resumed.readBest()).toEqual(tensorsOf(101));
});

test('best weights that no checkpoint has named are not those of a resumed run', () => {
  const { run, checkpoints } = runOf();
  checkpoints.saveBest(1, tensorsOf(101));
  checkpoints.save(checkpointOf(1));
  checkpoints.saveBest(2, tensorsOf(102));
  const resumed = new Checkpoints(run);
  resumed.last();
  expect(resumed.readBest()).toEqual(tensorsOf(101));
});

test('best weights are kept as long as a checkpoint names them, and then collected', () => {
  const { folder, checkpoints } = runOf();
  const best = () => readdirSync(folder).filter((name) => name.startsWith('best'));
  checkpoints.saveBest(1, tensorsOf(101));
  checkpoints.save(checkpointOf(1));
  checkpoints.saveBest(2, tensorsOf(102));
  checkpoints.save(checkpointOf(2));
  expect(best()).toEqual(['best-1.safetensors', 'best-2.safetensors']);
  checkpoints.save(checkpointOf(3));
  expect(best()).toEqual(['best-2.safetensors']);
  for (const number of [4, 5, 6]) checkpoints.save(checkpointOf(number));
  expect(best()).toEqual(['best-2.safetensors']);
});

test('best weights that are damaged are refused with their name', () => {
  const { folder, checkpoints } = runOf();
  checkpoints.saveBest(1, tensorsOf(101));
  truncateSync(join(folder, 'best-1.safetensors'), 20);
  expect(() => checkpoints.readBest()).toThrow(damaged(join(folder, 'best-1.safetensors')));
});

test('without an evaluated epoch there are no best weights', () => {
  expect(() => runOf(1).checkpoints.readBest()).toThrow('no epoch has been evaluated');
});

test('what a crash has left does no harm and is collected by the next save', () => {
  const { run, folder, last } = runOf(1, 2);
  const leftovers = [
    'step-000000030-3.safetensors',
    'step-000000030-3.json.0123456789ab.tmp',
    'best-3.safetensors.0123456789ab.tmp',
    'best-3.safetensors',
  ];
  for (const name of leftovers) writeFileSync(join(folder, name), 'half a fi');
  expect(last()).toMatchObject(checkpointOf(2));
  new Checkpoints(run).save(checkpointOf(4));
  expect(readdirSync(folder).filter((name) => leftovers.includes(name))).toEqual([]);
  expect(last()).toMatchObject(checkpointOf(4));
});

test('a save tells the name of the JSON file and the bytes of both', () => {
  const { checkpoints, file } = runOf();
  const reference = checkpoints.save(checkpointOf(1));
  expect(reference.file).toBe('checkpoints/step-000000010-1.json');
  const sizes = [file(1, 'safetensors'), file(1, 'json')].map((path) => readFileSync(path).length);
  expect(reference.bytes).toBe(sizes[0] + sizes[1]);
});

test('a damaged older checkpoint hinders neither the last one nor the next save', () => {
  const { run, file, last } = runOf(1, 2);
  writeFileSync(file(1, 'json'), '{');
  expect(last()?.sequence).toBe(2);
  writeFileSync(file(2, 'json'), '{');
  const checkpoints = new Checkpoints(run);
  checkpoints.save(checkpointOf(3));
  expect(last()?.sequence).toBe(3);
});
