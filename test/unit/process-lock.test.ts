import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { UserError } from '../../src/shared/errors.js';
import { lockHolder, ProcessLock, removeJudged } from '../../src/system/process-lock.js';
import { startOf } from '../../src/system/process-start.js';
import { LockContender } from './support/lock-contender.js';
import { temporaryFolder } from './support/temp-folder.js';

/** The process that a lock names; a second line, where there is one, says when that started. */
const named = (path: string) => readFileSync(path, 'utf8').split('\n')[0];

test('a lock names its process and is gone after release', () => {
  const path = join(temporaryFolder(), 'lock');
  const lock = new ProcessLock(path, 'the run');
  expect(named(path)).toBe(String(process.pid));
  lock.release();
  expect(existsSync(path)).toBe(false);
});

test('a lock that was released can be taken again, and leaves nothing beside it', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'lock');
  new ProcessLock(path, 'the run').release();
  new ProcessLock(path, 'the run');
  expect(readdirSync(folder)).toEqual(['lock']);
});

test('a release without a lock file is no error', () => {
  const folder = temporaryFolder();
  const lock = new ProcessLock(join(folder, 'lock'), 'the run');
  lock.release();
  lock.release();
  expect(readdirSync(folder)).toEqual([]);
});

test('what another process holds is refused with its id and the remedy, and stays with it', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'lock');
  const [holder] = await LockContender.start(folder, 1);
  expect(await holder.acquire(path)).toEqual({ held: true });
  const take = () => new ProcessLock(path, 'the run');
  expect(take).toThrow(UserError);
  expect(take).toThrow(
    `the run is in use by process ${holder.pid}: wait for it, or end it (if it is no Sparrow, delete ${path})`,
  );
  expect(named(path)).toBe(String(holder.pid));
  await holder.release();
  expect(take).not.toThrow();
});

test('the lock of a process that was killed is taken over', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'lock');
  const [holder] = await LockContender.start(folder, 1);
  await holder.acquire(path);
  await holder.kill();
  expect(named(path)).toBe(String(holder.pid));
  new ProcessLock(path, 'the run');
  expect(named(path)).toBe(String(process.pid));
});

test('whoever is willing to wait gets what another process lets go in time, and is refused what it keeps', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'lock');
  const [holder] = await LockContender.start(folder, 1);
  await holder.acquire(path);
  await expect(ProcessLock.within(50, path, 'the run')).rejects.toThrow(`the run is in use by process ${holder.pid}`);
  const waiting = ProcessLock.within(20_000, path, 'the run');
  await holder.release();
  await waiting;
  expect(named(path)).toBe(String(process.pid));
});

for (const content of ['', '\n', 'garbage', '-1', '0', '1e999', '1 of many', '99999999999999999999', '\0\0\0\0']) {
  test(`a lock file with the content ${JSON.stringify(content)} is taken over`, () => {
    const path = join(temporaryFolder(), 'lock');
    writeFileSync(path, content);
    new ProcessLock(path, 'the run');
    expect(named(path)).toBe(String(process.pid));
  });
}

test('a turn at the lock that was left long ago by a killed process is passed over', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'lock');
  writeFileSync(`${path}.turn`, '');
  utimesSync(`${path}.turn`, 0, 0);
  new ProcessLock(path, 'the run');
  expect(readdirSync(folder)).toEqual(['lock']);
});

test('a folder that is not there is an error of its own, not a lock that is held', () => {
  expect(() => new ProcessLock(join(temporaryFolder(), 'gone', 'lock'), 'the run')).toThrow('ENOENT');
});

for (const [what, content] of [
  ['no lock', undefined],
  ['an empty lock', ''],
  ['the lock of a dead process', 'of the dead'],
] as const) {
  test(`of processes that start together beside ${what}, exactly one gets it`, async () => {
    const folder = temporaryFolder();
    const [late, ...contenders] = await LockContender.start(folder, 5);
    await late.kill();
    for (let round = 0; round < 40; round++) {
      const path = join(folder, `lock ${round}`);
      if (content !== undefined) writeFileSync(path, content === '' ? '' : `${late.pid}\n`);
      const at = Date.now() + 5;
      const answers = await Promise.all(contenders.map((contender) => contender.acquire(path, at)));
      const winners = contenders.filter((_, i) => answers[i].held);
      expect(winners).toHaveLength(1);
      expect(named(path)).toBe(String(winners[0].pid));
      for (const answer of answers) if (!answer.held) expect(answer.refusal).toMatch(/^the run is in use by /);
      await Promise.all(contenders.map((contender) => contender.release()));
    }
  });
}

test('a lock that names its holder names the living one, and none after its release', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'lock');
  expect(lockHolder(path)).toBeUndefined();
  const [holder] = await LockContender.start(folder, 1);
  await holder.acquire(path);
  expect(lockHolder(path)).toBe(holder.pid);
  await holder.kill();
  expect(lockHolder(path)).toBeUndefined();
});

test.runIf(process.platform === 'linux')('a lock whose process id was given to another process is taken over', () => {
  const path = join(temporaryFolder(), 'lock');
  const start = startOf(process.ppid)!;
  writeFileSync(path, `${process.ppid}\n${start}\n`);
  expect(() => new ProcessLock(path, 'the run')).toThrow(`in use by process ${process.ppid}`);
  writeFileSync(path, `${process.ppid}\n${Number(start) - 1}\n`);
  new ProcessLock(path, 'the run');
  expect(named(path)).toBe(String(process.pid));
});

test.runIf(process.platform === 'linux')('a process that nobody has reaped holds no lock', async () => {
  const path = join(temporaryFolder(), 'lock');
  const parent = spawn('sh', ['-c', 'true & echo $!; exec sleep 30'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const [pid] = (await once(parent.stdout, 'data')) as [Buffer];
    writeFileSync(path, pid);
    await expect.poll(() => lockHolder(path), { timeout: 10_000 }).toBeUndefined();
  } finally {
    parent.kill('SIGKILL');
  }
});

test('a turn that a killed process has left is passed over at once', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'lock');
  const [late] = await LockContender.start(folder, 1);
  await late.kill();
  writeFileSync(`${path}.turn`, `${late.pid}\n`);
  const begun = performance.now();
  new ProcessLock(path, 'the run');
  expect(performance.now() - begun).toBeLessThan(5000);
});

test('a turn that was taken anew after it was found stale stays where it is', () => {
  const folder = temporaryFolder();
  const turn = join(folder, 'lock.turn');
  writeFileSync(turn, 'stale');
  utimesSync(turn, 0, 0);
  const judged = statSync(turn);
  rmSync(turn);
  writeFileSync(turn, 'anew');
  removeJudged(turn, judged);
  expect(readFileSync(turn, 'utf8')).toBe('anew');
  expect(readdirSync(folder)).toEqual(['lock.turn']);
  removeJudged(turn, statSync(turn));
  expect(readdirSync(folder)).toEqual([]);
});
