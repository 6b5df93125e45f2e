import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nodeTrainers, type Spawn, type TrainerProcess } from '../../src/main/trainers/trainer-process.js';
import { Trainer, type NumberedEvent, type TrainerOptions } from '../../src/main/trainers/trainer.js';
import { electronTrainers } from '../../src/main/trainers/utility-trainers.js';
import { electronStandIn, orphanLast } from '../support/electron-stand-in.js';
import { temporaryFolder } from './support/temp-folder.js';

/** The bundle that set-up has made. */
const bundle = join(import.meta.dirname, '../../out/main/trainer-process.js');

const kinds: readonly { readonly kind: string; readonly spawnFrom: (module: string) => Spawn }[] = [
  { kind: 'a child process', spawnFrom: (module) => nodeTrainers(module) },
  { kind: 'a utility process', spawnFrom: (module) => electronTrainers(electronStandIn, { module }) },
];

const small = {
  model: { embedding: 8, hidden: 8, layers: 1 },
  corpus: { vocabulary: 100, tokens: 2000 },
  device: { engine: 'wasm' },
};
const short = { ...small, training: { epochs: 1, batch: 5, bptt: 10, evaluationBatch: 2 } };
const endless = { ...small, training: { ...short.training, epochs: 100_000, reportEvery: 1 } };
const patience = { startMs: 60_000, silenceMs: 60_000, stopMs: 60_000 };
const within = { timeout: 50_000 };

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A process that is gone when the test is. */
function begin(spawn: Spawn): TrainerProcess {
  const process = spawn('wasm');
  onTestFinished(async () => {
    process.kill();
    await process.gone;
  });
  return process;
}

function train(spawn: Spawn, config: object, options: Partial<TrainerOptions> = {}) {
  const folder = temporaryFolder();
  const written: NumberedEvent[] = [];
  const states: string[] = [];
  const trainer = new Trainer(
    { config, folder, corpora: folder, resume: false },
    {
      write: (events) => written.push(...events),
      onState: ({ state }) => states.push(state),
      spawn: () => spawn('wasm'),
      patience,
      ...options,
    },
  );
  onTestFinished(async () => {
    trainer.kill();
    await trainer.end;
  });
  return { trainer, written, states, types: () => written.map(({ event }) => event.type) };
}

/** A program in place of the trainer. */
function program(body: string): string {
  const path = join(temporaryFolder(), 'program.mjs');
  writeFileSync(path, body);
  return path;
}

describe.each(kinds)('a trainer as $kind', ({ spawnFrom }) => {
  test('trains to the end, and all that it told has arrived', async () => {
    const { trainer, written, types } = train(spawnFrom(bundle), short);
    await trainer.spawned;
    expect(isAlive(trainer.pid!)).toBe(true);
    expect(await trainer.end).toEqual({ state: 'finished' });
    expect(types().at(0)).toBe('started');
    expect(types().at(-1)).toBe('finished');
    expect(written.map(({ sequence }) => sequence)).toEqual(written.map((_, i) => i));
  });

  test('rests, goes on and stops with a checkpoint', async () => {
    const { trainer, types, states } = train(spawnFrom(bundle), endless);
    await expect.poll(types, within).toContain('step');
    trainer.pause();
    await expect.poll(() => trainer.state.state, within).toBe('paused');
    trainer.continue();
    const seen = types().length;
    await expect.poll(() => types().length, within).toBeGreaterThan(seen);
    trainer.stop();
    expect(await trainer.end).toEqual({ state: 'stopped' });
    expect(types().slice(-2)).toEqual(['checkpoint', 'stopped']);
    expect(states).toEqual(['running', 'pausing', 'paused', 'running', 'stopping']);
  });

  test('says why it refuses', async () => {
    const { trainer } = train(spawnFrom(bundle), { ...short, corpus: { name: 'nowhere' } });
    const end = await trainer.end;
    expect(end).toMatchObject({ state: 'failed', begun: false });
    expect(end.state === 'failed' && end.error).toContain('nowhere');
  });

  test('is killed at once when it hangs', async () => {
    const { trainer, types } = train(spawnFrom(bundle), endless, { patience: { ...patience, silenceMs: 1000 } });
    await expect.poll(types, within).toContain('step');
    const pid = trainer.pid!;
    process.kill(pid, 'SIGSTOP');
    expect(await trainer.end).toMatchObject({
      state: 'interrupted',
      reason: expect.stringMatching(/^the trainer did not answer for \d+ s and was killed$/) as string,
    });
    expect(isAlive(pid)).toBe(false);
  });

  test('is killed when it does not stop in time', async () => {
    const deaf = program(`process.on('SIGTERM', () => undefined); setInterval(() => undefined, 1000);`);
    const { trainer } = train(spawnFrom(deaf), short, { patience: { ...patience, stopMs: 300 } });
    await trainer.spawned;
    const pid = trainer.pid!;
    trainer.stop();
    expect(await trainer.end).toMatchObject({ state: 'interrupted' });
    expect(isAlive(pid)).toBe(false);
  });

  test('that dies tells how, with its last words', async () => {
    const lines = Array.from({ length: 20 }, (_, i) => `line ${i}`).join('\n');
    const words = program(
      `process.stderr.write(${JSON.stringify(lines)}, () => process.kill(process.pid, 'SIGABRT'));`,
    );
    const { trainer } = train(spawnFrom(words), short);
    expect(await trainer.end).toEqual({
      state: 'interrupted',
      reason:
        'the trainer ended with SIGABRT, after saying: ' +
        [0, 1, 2, 3, 16, 17, 18, 19].map((i) => `line ${i}`).join(' | '),
    });
    const { trainer: other } = train(spawnFrom(program(`process.exit(3);`)), short);
    expect(await other.end).toEqual({ state: 'interrupted', reason: 'the trainer ended with exit status 3' });
  });

  test('that is killed before it is there does not stay', async () => {
    const trainer = begin(spawnFrom(program(`setInterval(() => undefined, 1000);`)));
    trainer.kill();
    expect(await trainer.gone).toBe('SIGKILL');
  });
});

test('a utility process ends when the one that started it is gone', async () => {
  const trainer = begin(kinds[1].spawnFrom(bundle));
  const folder = temporaryFolder();
  const heard: unknown[] = [];
  trainer.onMessage((message) => heard.push(message));
  trainer.send({ type: 'train', config: endless, folder, corpora: folder, resume: false });
  await expect.poll(() => heard.length, within).toBeGreaterThan(0);
  orphanLast();
  expect(await trainer.gone.then((how) => `${how} ${trainer.lastWords()}`)).toBe('exit status 1 ');
});

test('an engine that cannot live in Electron has a plain Node child', async () => {
  const says = program(`process.stderr.write(String(process.parentPort !== undefined), () => process.exit());`);
  const spawn = electronTrainers(electronStandIn, {
    module: says,
    auto: 'node',
  });
  const withoutNode = electronTrainers(electronStandIn, { module: says, auto: 'node', node: null });
  const saidBy = async (engine: Parameters<Spawn>[0], by = spawn) => {
    const trainer = by(engine);
    await trainer.gone;
    return trainer.lastWords();
  };
  expect(await saidBy('webgpu')).toBe('false');
  expect(await saidBy('auto')).toBe('false');
  expect(await saidBy('webgpu', withoutNode)).toBe('true');
  expect(await saidBy('wasm')).toBe('true');
});
