import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Trainer, type NumberedEvent } from '../../src/main/trainers/trainer.js';
import { UserError } from '../../src/shared/errors.js';
import { eventWindow } from '../../src/shared/run-events.js';
import type { TrainerState } from '../../src/shared/run-state.js';
import { FakeTrainers, told } from './support/fake-trainer.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** What was told at once is written after this. */
const turn = () => new Promise((resolve) => setImmediate(resolve));
const patience = { startMs: 100_000, silenceMs: 10_000, stopMs: 20_000 };

function begin(write: (events: readonly NumberedEvent[]) => void = () => undefined) {
  const trainers = new FakeTrainers();
  const states: TrainerState['state'][] = [];
  const written: NumberedEvent[] = [];
  const trainer = new Trainer(
    { config: {}, folder: '/nowhere', corpora: '/nowhere', resume: false },
    {
      write: (events) => {
        write(events);
        written.push(...events);
      },
      onState: ({ state }) => states.push(state),
      spawn: () => trainers.spawn('auto'),
      patience,
    },
  );
  return { trainer, process: trainers.last, states, written };
}

test('a trainer starts, runs, pauses, rests, goes on, stops', async () => {
  const { trainer, process, states, written } = begin();
  expect(trainer.state).toEqual({ state: 'starting' });
  process.tell(told.started);
  trainer.pause();
  process.tell(told.checkpoint, told.paused);
  trainer.continue();
  trainer.stop();
  process.tell(told.checkpoint, told.stopped);
  process.end();
  expect(await trainer.end).toEqual({ state: 'stopped' });
  expect(states).toEqual(['running', 'pausing', 'paused', 'running', 'stopping']);
  expect(process.asked).toEqual(['train', 'pause', 'continue', 'stop']);
  expect(written.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3, 4]);
});

test('one that was asked to rest while it starts rests when it has begun', () => {
  const { trainer, process } = begin();
  trainer.pause();
  process.tell(told.started);
  expect(trainer.state).toEqual({ state: 'pausing' });
  process.tell(told.paused);
  expect(trainer.state).toEqual({ state: 'paused' });
});

test('events are acknowledged when they are written and not before', async () => {
  const { process, written } = begin();
  process.tell(told.started);
  expect(process.acknowledged).toBe(-1);
  await turn();
  expect(process.acknowledged).toBe(0);
  process.tell(told.step(1), told.step(2));
  await turn();
  expect(process.acknowledged).toBe(0); // reports wait for each other
  vi.advanceTimersByTime(100);
  expect(process.acknowledged).toBe(2);
  expect(written).toHaveLength(3);
});

test('one whose events cannot be written is killed and has failed with the reason; nothing later is written', async () => {
  let full = false;
  const { trainer, process, written } = begin(() => {
    if (full) throw new UserError('the disk is full: make room');
  });
  process.tell(told.started);
  await turn();
  full = true;
  process.tell(told.checkpoint);
  await turn();
  full = false;
  process.tell(told.checkpoint, told.finished);
  expect(await trainer.end).toEqual({ state: 'failed', error: 'the disk is full: make room', begun: true });
  expect(written.map(({ sequence }) => sequence)).toEqual([0]);
});

test('one that dies is interrupted, with how it ended and its last words', async () => {
  const { trainer, process } = begin();
  process.tell(told.started);
  process.words = 'terminate called | Aborted';
  process.end('SIGABRT');
  expect(await trainer.end).toEqual({
    state: 'interrupted',
    reason: 'the trainer ended with SIGABRT, after saying: terminate called | Aborted',
  });
});

test('what it told before it died is written', async () => {
  const { trainer, process, written } = begin();
  process.tell(told.started, told.step(1));
  process.end('SIGKILL');
  await trainer.end;
  expect(written).toHaveLength(2);
});

test('one that refuses has failed without having begun', async () => {
  const { trainer, process } = begin();
  process.say({ refused: { message: 'there is no corpus' } });
  process.end();
  expect(await trainer.end).toEqual({ state: 'failed', error: 'there is no corpus', begun: false });
});

test.each([
  { nonsense: true },
  'text',
  null,
  { sequence: -1, event: told.started },
  { sequence: 0, event: { type: 'x' } },
])('one that says %j is killed: that is a defect', async (message) => {
  const { trainer, process, written } = begin();
  process.say(message);
  expect(await trainer.end).toMatchObject({ state: 'failed', begun: false, stack: expect.any(String) as string });
  expect(written).toEqual([]);
});

test('one that floods is killed', async () => {
  const { trainer, process } = begin();
  process.tell(told.started);
  for (let step = 1; step <= 10 * eventWindow; step++) process.tell(told.step(step));
  const end = await trainer.end;
  expect(end).toMatchObject({ state: 'failed', begun: true });
  expect(end.state === 'failed' && end.error).toMatch(/does not wait for its events to be written/);
});

test('one that falls silent is killed and interrupted, one that says it is alive is not', async () => {
  const { trainer, process } = begin();
  process.tell(told.started);
  for (let second = 0; second < 60; second++) {
    vi.advanceTimersByTime(1000);
    process.say({ alive: true });
  }
  expect(trainer.state).toEqual({ state: 'running' });
  vi.advanceTimersByTime(patience.silenceMs + 1000);
  expect(await trainer.end).toEqual({
    state: 'interrupted',
    reason: 'the trainer did not answer for 10 s and was killed',
  });
});

test('one whose steps take long is given more time', () => {
  const { trainer, process } = begin();
  process.tell(told.started);
  vi.advanceTimersByTime(5000);
  process.tell(told.step(1));
  vi.advanceTimersByTime(40_000);
  expect(process.isGone).toBe(false);
  vi.advanceTimersByTime(11_000);
  return expect(trainer.end).resolves.toMatchObject({ state: 'interrupted' });
});

test('one that prepares is given more time still', () => {
  const { trainer, process } = begin();
  vi.advanceTimersByTime(patience.startMs - 1000);
  expect(process.isGone).toBe(false);
  vi.advanceTimersByTime(2000);
  return expect(trainer.end).resolves.toMatchObject({ state: 'interrupted' });
});

test('silence while this process itself has rested proves nothing', () => {
  const { process } = begin();
  process.tell(told.started);
  const now = vi.spyOn(performance, 'now');
  const later = performance.now() + 3_600_000; // a laptop was closed
  now.mockReturnValue(later);
  vi.advanceTimersToNextTimer();
  now.mockRestore();
  expect(process.isGone).toBe(false);
});

test('one that does not stop in time is killed', async () => {
  const { trainer, process } = begin();
  process.tell(told.started);
  trainer.stop();
  for (let second = 0; second < 22; second++) {
    vi.advanceTimersByTime(1000);
    process.say({ alive: true });
  }
  expect(await trainer.end).toEqual({
    state: 'interrupted',
    reason: 'the trainer did not stop within 20 s and was killed',
  });
});
