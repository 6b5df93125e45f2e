import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RandomStream } from '../../src/worker/random/random.js';
import { outcome, train } from '../support/small-run.js';
import { gone } from '../support/process.js';
import {
  eventsOf,
  Home,
  inDatabase,
  isKnown,
  slowSteps,
  Sparrow,
  sparrow,
  story,
  trainerOf,
} from '../support/sparrow.js';

/** `npm run test:faults -- --kills 50 --seed 2`: how often, and which moments and victims. */
const kills = Number(process.env['SPARROW_TEST_KILLS'] ?? 5);
const random = new RandomStream(Number(process.env['SPARROW_TEST_SEED'] ?? 1), 'language', 7);

const home = new Home();
afterAll(async () => {
  await home.end();
  home.remove();
});

let undisturbed: ReturnType<typeof outcome>;
beforeAll(async () => {
  expect(await sparrow(home, train('undisturbed'))).toMatchObject({ status: 0, stderr: '' });
  undisturbed = outcome(home.run('undisturbed-1'));
});

const victims = ['trainer', 'owner', 'both', 'SIGTERM'] as const;
type Victim = (typeof victims)[number];

/**
 * Most moments are counted from when the trainer is at work, whatever a busy machine takes to start it; every fifth from the
 * start of the command.
 */
async function moment(running: Sparrow, run: string, kill: number): Promise<string> {
  const [fromStart, delayMs] = [kill % 5 === 0, Math.round(random.next() * 2500)];
  const isOver = () => running.process.exitCode !== null || running.process.signalCode !== null;
  while (!fromStart && !isOver() && trainerOf(run) === undefined) await sleep(5);
  await Promise.race([sleep(delayMs), running.ended]);
  return `${delayMs} ms after ${fromStart ? 'the start' : 'its trainer was there'}`;
}

/** Ends somebody; returns what must be gone afterwards. @param trainer the one at work, if there is one */
function strike(victim: Victim, running: Sparrow, trainer: number | undefined): number[] {
  const owner = running.process.pid!;
  if (victim === 'SIGTERM') {
    running.process.kill('SIGTERM');
  } else {
    if (victim !== 'owner' && trainer !== undefined) process.kill(trainer, 'SIGKILL');
    if (victim !== 'trainer' || trainer === undefined) running.process.kill('SIGKILL');
  }
  return trainer === undefined ? [owner] : [owner, trainer];
}

const ends: Record<Victim, RegExp> = {
  trainer: /^(interrupted|queued|stopped)$/,
  owner: /^(interrupted|queued|stopped)$/,
  both: /^(interrupted|queued|stopped)$/,
  SIGTERM: /^(stopped|interrupted|queued)$/,
};

test(
  `killed at ${kills} random moments, a run loses nothing that was shown and ends as one that never was`,
  async () => {
    let [name, number, hits] = ['struck-1', 1, 0];
    for (let kill = 1; kill <= kills; kill++) {
      const run = home.run(name);
      const args = isKnown(run) ? ['resume', name, '--json'] : train('struck');
      const running = new Sparrow(home, args, slowSteps(40));
      const victim = victims[Math.floor(random.next() * victims.length)];
      const label = `kill ${kill}: ${victim} of ${name} ${await moment(running, run, kill)}`;
      const trainer = trainerOf(run);
      if (trainer !== undefined) hits += 1;
      const processes = strike(victim, running, trainer);
      const { status, stdout } = await running.ended;
      await Promise.all(processes.map((pid) => gone(pid)));

      expect(
        inDatabase(run, (store) => store.problems()),
        label,
      ).toEqual([]);
      if (!isKnown(run)) continue; // struck before it was made
      const kept = story(eventsOf(run)).map((event) => JSON.stringify({ ...event, run: name }));
      const shown = story(running.events).map((event) => JSON.stringify({ ...event }));
      const normal = (lines: string[]) => lines.map((line) => JSON.stringify(sorted(JSON.parse(line) as object)));
      expect(normal(kept), label).toEqual(expect.arrayContaining(normal(shown)));
      const listed = JSON.parse((await sparrow(home, ['runs', '--json'])).stdout) as { id: string; state: string }[];
      const { state } = listed.find(({ id }) => id === name)!;
      if (state === 'finished') {
        expect(status === 0 || victim !== 'trainer', label).toBe(true);
        expect(stdout, label).toContain('"type"');
        expect(outcome(run), label).toEqual(undisturbed);
        number += 1; // begin another
        name = `struck-${number}`;
        continue;
      }
      expect(state, label).toMatch(ends[victim]);
    }
    expect(hits, 'kills that hit a living trainer').toBeGreaterThanOrEqual(Math.ceil(kills / 2));
    if (!isKnown(home.run(name))) return;
    expect((await sparrow(home, ['resume', name, '--json'])).status).toBe(0);
    expect(outcome(home.run(name))).toEqual(undisturbed);
  },
  120_000 + 60_000 * kills,
);

/** The same fields in one order. */
function sorted(value: object): object {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
