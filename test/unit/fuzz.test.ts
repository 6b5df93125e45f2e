import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Trainer } from '../../src/main/trainers/trainer.js';
import { UserError } from '../../src/shared/errors.js';
import { parseRunConfig, runConfigSchema } from '../../src/shared/run-config.js';
import { sweep } from '../../src/shared/sweep.js';
import { desk } from './support/desk.js';
import { FakeTrainers, told } from './support/fake-trainer.js';

/** `npm run test:faults -- --cases 10000` for a long run. */
const numRuns = Number(process.env['SPARROW_TEST_CASES'] ?? 300);
const boundMs = 600_000;

const anything = fc.anything({ maxDepth: 3 });

/** Configurations of which most of each is right. */
const nearlyRight = fc
  .tuple(fc.constant(parseRunConfig({})), fc.array(fc.tuple(fc.nat(), anything), { maxLength: 3 }))
  .map(([config, changes]) => {
    const changed = structuredClone(config) as unknown as Record<string, Record<string, unknown>>;
    const groups = Object.keys(changed);
    for (const [place, value] of changes) {
      const name = groups[place % groups.length];
      const group = changed[name];
      const isGroup = typeof group === 'object' && (group as unknown) !== null; // an earlier change may have left anything
      if (!isGroup || place % 7 === 0 || Object.keys(group).length === 0)
        (changed as Record<string, unknown>)[name] = value;
      else group[Object.keys(group)[place % Object.keys(group).length]] = value;
    }
    return changed;
  });

const refusedOr = <T>(work: () => T): T | undefined => {
  try {
    return work();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).not.toBe('');
    return undefined;
  }
};

test(
  'any configuration is refused with a line, or becomes a whole one that is stored as it is',
  () => {
    const { store } = desk({ start: false });
    fc.assert(
      fc.property(fc.oneof(anything, nearlyRight), (input) => {
        const config = refusedOr(() => parseRunConfig(input));
        if (config === undefined) return;
        expect(runConfigSchema.parse(config)).toEqual(config);
        const [{ id }] = store.runs.create([config]);
        expect(store.runs.get(id).config).toEqual(config);
      }),
      { numRuns },
    );
    expect(store.problems()).toEqual([]);
  },
  boundMs,
);

test(
  'any settings are refused with a line, or make configurations',
  () => {
    const field = fc.constantFrom(
      'method.density',
      'seed',
      'model',
      'model.tied',
      'name',
      'corpus.name',
      'no.such',
      '',
    );
    const value = fc.oneof(
      fc.string(),
      fc.double().map(String),
      fc.array(fc.oneof(fc.string(), fc.nat().map(String)), { maxLength: 4 }).map((values) => `[${values.join(',')}]`),
    );
    const setting = fc.oneof(
      fc.string(),
      fc.tuple(field, value).map(([name, text]) => `${name}=${text}`),
    );
    fc.assert(
      fc.property(fc.array(setting, { maxLength: 3 }), fc.integer({ min: 1, max: 4 }), (settings, seeds) => {
        const configs = refusedOr(() => sweep({}, settings, seeds));
        for (const config of configs ?? []) refusedOr(() => parseRunConfig(config));
      }),
      { numRuns },
    );
  },
  boundMs,
);

test(
  'whatever a trainer says, what is written is a run without gaps and the workbench goes on',
  async () => {
    const event = fc.constantFrom(
      told.started,
      told.step(1),
      told.checkpoint,
      told.paused,
      told.stopped,
      told.finished,
    );
    const message = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({ sequence: fc.integer({ min: -1, max: 6 }), event: fc.oneof(event, event, anything) }),
      },
      { weight: 1, arbitrary: fc.constant({ alive: true }) },
      { weight: 1, arbitrary: fc.record({ refused: fc.record({ message: fc.string() }) }) },
      { weight: 1, arbitrary: anything },
    );
    const { store } = desk({ start: false });
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 12 }), async (messages) => {
        const [{ id }] = store.runs.create([parseRunConfig({ name: 'said' })]);
        store.runs.beginAttempt(id);
        const trainers = new FakeTrainers();
        const trainer = new Trainer(
          { config: {}, folder: '', corpora: '', resume: false },
          {
            write: (events) => store.events.ingest(events.map((numbered) => ({ run: id, ...numbered }))),
            onState: () => undefined,
            spawn: () => trainers.spawn('auto'),
            patience: { startMs: 1000, silenceMs: 1000, stopMs: 1000 },
          },
        );
        for (const said of messages) trainers.last.say(said);
        trainers.last.end();
        const end = await trainer.end;
        store.runs.endAttempt(id, end);
        expect(store.events.of(id).map(({ sequence }) => sequence)).toEqual(store.events.of(id).map((_, i) => i));
        expect(store.runs.get(id).attempts.at(-1)?.end).toEqual(end);
      }),
      { numRuns },
    );
    expect(store.problems()).toEqual([]);
  },
  boundMs,
);
