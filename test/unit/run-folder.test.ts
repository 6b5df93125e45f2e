import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { corporaFolder, dataFolder, prepareDataFolder, runsFolder } from '../../src/main/data-folder.js';
import { RunFolder } from '../../src/main/run-folder.js';
import { UserError } from '../../src/shared/errors.js';
import { parseRunConfig } from '../../src/shared/run-config.js';
import type { RunEvent } from '../../src/shared/run-events.js';
import { temporaryFolder } from './support/temp-folder.js';

let home: string;
beforeEach(({ onTestFinished }) => {
  home = join(temporaryFolder(), 'home');
  vi.stubEnv('SPARROW_HOME', home);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
});

const config = (name = '') => parseRunConfig({ name, training: { epochs: 3 } });
const logOf = (run: RunFolder) => join(run.path, 'events.jsonl');

/** An event that says which it is. */
const event = (step: number): RunEvent => ({ type: 'stopped', step, epoch: 1 });
const stepsOf = ({ events }: RunFolder) => events.map((told) => (told.type === 'stopped' ? told.step : told.type));

/** A run with events 0 .. count - 1. */
function runWith(count: number): RunFolder {
  const run = RunFolder.create(config('night'));
  for (let sequence = 0; sequence < count; sequence++) run.append(sequence, event(sequence));
  return run;
}

const expectRefused = (attempt: () => unknown, message: string) => {
  expect(attempt).toThrow(UserError);
  expect(attempt).toThrow(message);
};

describe('a new run', () => {
  test('is numbered after those of its name', () => {
    const ids = ['owl', 'owl', 'wren', 'owl'].map((name) => RunFolder.create(config(name)).id);
    expect(ids).toEqual(['owl-1', 'owl-2', 'wren-1', 'owl-3']);
    expect(readdirSync(runsFolder()).sort()).toEqual(['owl-1', 'owl-2', 'owl-3', 'wren-1']);
  });

  test('takes the first number that is free', () => {
    const [first] = ['owl', 'owl'].map((name) => RunFolder.create(config(name)));
    first.remove();
    expect(RunFolder.create(config('owl')).id).toBe('owl-1');
    expect(RunFolder.create(config('owl')).id).toBe('owl-3');
  });

  test.each([
    { name: 'Night Owl', stem: 'night-owl' },
    { name: '  lr=20, clip 0.25! ', stem: 'lr-20-clip-0-25' },
    { name: '../../etc/passwd', stem: 'etc-passwd' },
    { name: 'a\nb', stem: 'a-b' },
    { name: 'Zoë', stem: 'zo' },
    { name: '', stem: 'selfish' },
    { name: '鳥', stem: 'selfish' },
    { name: '...', stem: 'selfish' },
    { name: 'a'.repeat(200), stem: 'a'.repeat(60) },
    { name: `${'a'.repeat(59)} bc`, stem: 'a'.repeat(59) },
  ])('called $name has the id $stem-1, which opens it', ({ name, stem }) => {
    const run = RunFolder.create(config(name));
    expect(run.id).toBe(`${stem}-1`);
    expect(run.path).toBe(join(runsFolder(), run.id));
    expect(RunFolder.open(run.id).config.name).toBe(name);
  });

  test('without a name is called after its method', () => {
    const dense = parseRunConfig({ method: { kind: 'dense', density: 1 } });
    expect(RunFolder.create(dense).id).toBe('dense-1');
  });

  test('has its whole configuration on disk and no events', () => {
    const run = RunFolder.create(config('night'));
    expect(JSON.parse(readFileSync(join(run.path, 'config.json'), 'utf8'))).toEqual(config('night'));
    expect(run.events).toEqual([]);
    expect(RunFolder.open('night-1').config).toEqual(config('night'));
    expect(RunFolder.open('night-1').events).toEqual([]);
  });

  test('is gone when it is removed', () => {
    const run = runWith(1);
    run.remove();
    expect(readdirSync(runsFolder())).toEqual([]);
    expectRefused(() => RunFolder.open(run.id), 'night-1: there is no such run');
  });
});

describe('the events of a run', () => {
  test('are read back as they were appended', () => {
    const told: RunEvent[] = [
      {
        type: 'step',
        step: 1,
        epoch: 1,
        loss: 5.5,
        ...{ gradientNorm: 1, learningRate: 20 },
        removingRate: 0.8,
        tokensPerSecond: 1e4,
      },
      {
        type: 'evaluation',
        step: 2,
        epoch: 1,
        trainingLoss: 5,
        loss: 4.25,
        perplexity: 70.1,
        best: true,
        averaged: false,
      },
      { type: 'averaging', step: 2, epoch: 1, cause: 'trigger' },
      { type: 'checkpoint', step: 2, epoch: 1, file: 'größe/鳥.ckpt', bytes: 12 },
      { type: 'failed', message: 'one\ntwo', stack: 'at "x"' },
    ];
    const run = RunFolder.create(config());
    told.forEach((one, sequence) => {
      run.append(sequence, one);
    });
    expect(run.events).toEqual(told);
    expect(RunFolder.open(run.id).events).toEqual(told);
  });

  test('are a line each, with number and time', () => {
    const run = runWith(2);
    const lines = readFileSync(logOf(run), 'utf8').trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    const record = JSON.parse(lines[1]) as { sequence: number; time: string; event: RunEvent };
    expect(record).toEqual({ sequence: 1, time: new Date(record.time).toISOString(), event: event(1) });
  });

  test('go on after the run was opened again', () => {
    const { id } = runWith(2);
    RunFolder.open(id).append(2, event(2));
    expect(stepsOf(RunFolder.open(id))).toEqual([0, 1, 2]);
  });

  test('after an earlier number are dropped, in memory and on disk', () => {
    const run = runWith(5);
    run.append(2, event(20));
    expect(stepsOf(run)).toEqual([0, 1, 20]);
    expect(stepsOf(RunFolder.open(run.id))).toEqual([0, 1, 20]);
    run.append(3, event(30));
    expect(stepsOf(RunFolder.open(run.id))).toEqual([0, 1, 20, 30]);
  });

  test.each(['kept open', 'opened again'])(
    'are dropped, too, from a run %s whose letters are of several bytes',
    (how) => {
      const created = RunFolder.create(config());
      for (const sequence of [0, 1, 2]) created.append(sequence, { type: 'failed', message: `größe 鳥 𝄞 ${sequence}` });
      const run = how === 'kept open' ? created : RunFolder.open(created.id);
      run.append(1, event(10));
      expect(stepsOf(RunFolder.open(run.id))).toEqual(['failed', 10]);
      expect(readFileSync(logOf(run), 'utf8').trimEnd().split('\n')).toHaveLength(2);
    },
  );

  test('are all dropped when counting begins anew', () => {
    const run = runWith(3);
    RunFolder.open(run.id).append(0, event(7));
    expect(stepsOf(RunFolder.open(run.id))).toEqual([7]);
  });

  test('cannot leave out a number: what the log has lost is told', () => {
    const run = runWith(2);
    expectRefused(
      () => {
        run.append(3, event(3));
      },
      `${logOf(run)} ends with event 1, the run goes on with 3: what is between is lost`,
    );
    expect(stepsOf(RunFolder.open(run.id))).toEqual([0, 1]);
  });

  test('of another run, however damaged, do not keep a new one from starting', () => {
    const run = runWith(1);
    writeFileSync(logOf(run), 'damaged\n');
    expect(RunFolder.create(run.config).events).toEqual([]);
  });
});

describe('a log', () => {
  test('whose last line was cut anywhere gives the events before it and can be continued', () => {
    const run = runWith(3);
    const whole = readFileSync(logOf(run));
    const end = whole.subarray(0, -1).lastIndexOf('\n') + 1;
    for (const cut of [end + 1, end + 20, whole.length - 1]) {
      writeFileSync(logOf(run), whole.subarray(0, cut));
      const opened = RunFolder.open(run.id);
      expect(stepsOf(opened)).toEqual([0, 1]);
      expect(statSync(logOf(run)).size).toBe(cut); // who only reads leaves it to whoever may be writing it
      opened.append(2, event(2));
      expect(stepsOf(RunFolder.open(run.id))).toEqual([0, 1, 2]);
    }
  });

  test('whose last line was cut within a letter gives the events before it', () => {
    const run = runWith(2);
    appendFileSync(logOf(run), Buffer.from('{"sequence":2,"time":"é').subarray(0, -1));
    const opened = RunFolder.open(run.id);
    expect(stepsOf(opened)).toEqual([0, 1]);
    opened.append(2, event(2));
    expect(stepsOf(RunFolder.open(run.id))).toEqual([0, 1, 2]);
  });

  test('that another process has gone on with since it was read is taken over as it is then', () => {
    const run = runWith(2);
    const opened = RunFolder.open(run.id);
    run.append(2, event(2));
    run.append(3, event(3));
    opened.append(3, event(3));
    expect(stepsOf(opened)).toEqual([0, 1, 2, 3]);
    expect(stepsOf(RunFolder.open(run.id))).toEqual([0, 1, 2, 3]);
  });

  test('without a byte has no events', () => {
    const run = runWith(2);
    truncateSync(logOf(run), 0);
    expect(RunFolder.open(run.id).events).toEqual([]);
  });

  test.each([
    { damage: 'of other letters', line: 'x'.repeat(40) },
    { damage: 'without anything', line: '' },
    { damage: 'that is no event', line: '{"sequence":1,"time":"","event":{"type":"flown"}}' },
    { damage: 'without a number', line: '{"time":"","event":{"type":"stopped","step":1,"epoch":1}}' },
  ])('with a line $damage in the middle is refused with the byte where it begins', ({ line }) => {
    const run = runWith(3);
    const lines = readFileSync(logOf(run), 'utf8').split('\n');
    const content = [lines[0], line, ...lines.slice(2)].join('\n');
    writeFileSync(logOf(run), content);
    const position = lines[0].length + 1;
    expectRefused(
      () => RunFolder.open(run.id),
      `${logOf(run)} is damaged at byte ${position}: cut it off there to resume the run`,
    );
    expect(readFileSync(logOf(run), 'utf8')).toBe(content);
    truncateSync(logOf(run), position); // as advised
    expect(stepsOf(RunFolder.open(run.id))).toEqual([0]);
  });

  test('counts bytes, not letters, up to the damage', () => {
    const run = RunFolder.create(config());
    run.append(0, { type: 'failed', message: 'größe 鳥 𝄞' });
    const { size } = statSync(logOf(run));
    appendFileSync(logOf(run), 'damage\n');
    expectRefused(() => RunFolder.open(run.id), `is damaged at byte ${size}:`);
  });

  test('in which a letter was damaged keeps its length and is continued at its end', () => {
    const run = RunFolder.create(config());
    run.append(0, { type: 'failed', message: 'feather' });
    run.append(1, event(1));
    const content = readFileSync(logOf(run));
    content[content.indexOf('feather')] = 0xff; // no UTF-8
    writeFileSync(logOf(run), content);
    const opened = RunFolder.open(run.id);
    expect(statSync(logOf(run)).size).toBe(content.length);
    opened.append(1, event(2));
    expect(stepsOf(RunFolder.open(run.id))).toEqual(['failed', 2]);
  });
});

describe('opening', () => {
  test.each(['owl-1', 'night-2', ''])('refuses a run %j that is not there, with the folder that was searched', (id) => {
    runWith(1);
    expectRefused(() => RunFolder.open(id), `${id}: there is no such run in ${runsFolder()}`);
  });

  test.each([
    '.',
    '..',
    '../x',
    '../runs/night-1',
    './night-1',
    'night-1/',
    'night-1/../night-1',
    '..\\x',
    'night-1\0',
  ])('never leaves the folder of runs for %j', (id) => {
    const run = runWith(1);
    mkdirSync(join(home, 'x'));
    for (const elsewhere of [home, runsFolder(), join(home, 'x')]) {
      writeFileSync(join(elsewhere, 'config.json'), readFileSync(join(run.path, 'config.json')));
    }
    expectRefused(() => RunFolder.open(id), `${id}: there is no such run in ${runsFolder()}`);
  });

  test('refuses a run whose configuration was cut', () => {
    const run = runWith(1);
    const path = join(run.path, 'config.json');
    truncateSync(path, 30);
    expectRefused(() => RunFolder.open(run.id), `${path} is damaged: the run cannot be resumed`);
  });

  test('refuses a run whose configuration is none, with the file, the field and the rule', () => {
    const run = runWith(1);
    const path = join(run.path, 'config.json');
    writeFileSync(path, JSON.stringify({ ...run.config, seed: -1 }));
    expectRefused(() => RunFolder.open(run.id), `${path}: seed: -1 must be at least 0`);
  });
});

describe('the data folder', () => {
  test('is the one of SPARROW_HOME, with runs and corpora in it', () => {
    expect([dataFolder(), runsFolder(), corporaFolder()]).toEqual([home, join(home, 'runs'), join(home, 'corpora')]);
  });

  test.each(['', undefined])('is one of the platform where SPARROW_HOME is %j', (value) => {
    vi.stubEnv('SPARROW_HOME', value);
    expect(dataFolder()).toMatch(/sparrow/i);
    expect(dataFolder()).not.toContain(home);
  });

  test('is made for its owner alone', () => {
    prepareDataFolder();
    expect(existsSync(home)).toBe(true);
    if (process.platform !== 'win32') expect(statSync(home).mode & 0o777).toBe(0o700);
    prepareDataFolder(); // again
  });

  test('that cannot be made is refused with the remedy', () => {
    writeFileSync(home, 'a file');
    const inside = join(home, 'data');
    vi.stubEnv('SPARROW_HOME', inside);
    expectRefused(prepareDataFolder, `cannot write to the data folder ${inside}: `);
    expectRefused(prepareDataFolder, '. Set SPARROW_HOME to another folder');
  });
});
