import { spawnSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { startEngine } from '../../src/worker/engines/engine.js';
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from '../../src/worker/storage/safetensors.js';
import { Comparison, readCases } from '../golden/case.js';
import { runCase, type Verdict } from '../golden/run-case.js';
import { goldenLstm, type Sizes } from './support/golden-lstm.js';
import { temporaryFolder } from './support/temp-folder.js';

beforeAll(async () => {
  await startEngine({ engine: 'wasm', threads: 0 });
});

const own = join(import.meta.dirname, '../golden/cases');
const ownManifest = JSON.parse(readFileSync(join(own, 'manifest.json'), 'utf8')) as Record<string, object>;

/** A case as a test changes it. */
interface Draft {
  entry: unknown;
  readonly tensors: Map<string, StoredTensor>;
}

/** One of the project's own cases. */
function draft(name: string): Draft {
  const file = join(own, `${name}.safetensors`);
  const tensors =
    name === 'cosine_decay' ? new Map<string, StoredTensor>() : decodeSafetensors(readFileSync(file), file);
  return { entry: structuredClone(ownManifest[name]), tensors };
}

function write(cases: Readonly<Record<string, Draft>>): string {
  const folder = temporaryFolder();
  const entries = Object.entries(cases);
  for (const [name, { tensors }] of entries) {
    if (tensors.size > 0) writeFileSync(join(folder, `${name}.safetensors`), encodeSafetensors(tensors));
  }
  const manifest = Object.fromEntries(entries.map(([name, { entry }]) => [name, entry]));
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  return folder;
}

function verdictsOf(folder: string): Verdict[] {
  return readCases(folder).flatMap((golden) => [...runCase(golden)]);
}

/** Verdicts on one case after a change to it. */
function verdictsOn(name: string, change: (draft: Draft) => unknown): Verdict[] {
  const changed = draft(name);
  change(changed);
  return verdictsOf(write({ [name]: changed }));
}

function setNumber({ tensors }: Draft, name: string, value: number, at = 0): StoredTensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`there is no tensor ${name}`);
  tensor.data[at] = value;
  return tensor;
}

function setEntry(changed: Draft, fields: object): object {
  return (changed.entry = { ...(changed.entry as object), ...fields });
}

const noFile = ({ tensors }: Draft) => {
  tensors.clear();
};

describe('a comparison', () => {
  test.each([
    ['ours', [NaN], [1]],
    ['the golden one', [1], [NaN]],
    ['their difference', [Infinity], [Infinity]],
  ])('stays not a number once %s was, whatever comes later', (_, ours, golden) => {
    const comparison = new Comparison();
    comparison.add('before', [1.5], [1]);
    comparison.add('bad', ours, golden);
    comparison.add('after', [3], [1]);
    expect(comparison.worstRelativeError).toBeNaN();
    expect(comparison.where).toBe('bad');
  });

  test('tells the worst of its tensors and how many there were', () => {
    const comparison = new Comparison();
    expect(comparison.compared).toBe(0);
    comparison.add('a', [1], [1]);
    comparison.add('b', [3], [2]);
    comparison.add('c', [0.1], [0]);
    expect(comparison).toMatchObject({ worstRelativeError: 0.5, where: 'b', compared: 3 });
    expect(() => {
      comparison.add('d', [], []);
    }).toThrow('d has no numbers to compare');
  });
});

describe('a case of other sizes passes', () => {
  const sizes: Sizes = {
    ...{ layers: 2, embedding: 3, hidden: 4, vocabulary: 7, steps: 3, batch: 2, tied: false, dropout: 0 },
  };
  test.each<[string, Partial<Sizes>]>([
    ['one layer, one step, one stream', { layers: 1, steps: 1, batch: 1 }],
    ['six layers, whose states stand as 0, 1, 10, 11, 2 in the file', { layers: 6, hidden: 2 }],
    ['three layers with dropout masks', { layers: 3, dropout: 0.3 }],
    ['a tied decoder', { embedding: 4, tied: true }],
    ['a tied decoder with dropout masks', { embedding: 5, hidden: 5, tied: true, dropout: 0.5 }],
    ['an embedding that is wider than the layers', { embedding: 9, hidden: 3, vocabulary: 12 }],
  ])('%s', (_, changed) => {
    const verdicts = verdictsOf(write({ other: goldenLstm({ ...sizes, ...changed }) }));
    expect(verdicts.map(({ layout, status }) => [layout, status])).toEqual([
      ['packed', 'pass'],
      ['masked', 'pass'],
    ]);
  });
});

test('a case is told by its entry and not by its name', () => {
  const verdicts = verdictsOf(
    write({
      rhn_eval: draft('stacked_lstm_eval'),
      cosine_decay: draft('topology_updates'),
      training_trajectory: draft('cosine_decay'),
      stacked_lstm_eval: draft('neural_cache'),
      topology_updates: draft('snt_asgd_trace'),
      anything: draft('training_trajectory'),
    }),
  );
  expect(verdicts.map(({ case: name, layout, status }) => `${name} ${layout} ${status}`)).toEqual([
    ...['rhn_eval packed pass', 'rhn_eval masked pass', 'cosine_decay none pass', 'training_trajectory none pass'],
    'stacked_lstm_eval none unsupported',
    ...['topology_updates packed pass', 'topology_updates masked pass', 'anything packed pass', 'anything masked pass'],
  ]);
});

describe('a case fails', () => {
  const changes: [what: string, name: string, change: (draft: Draft) => unknown, detail: RegExp][] = [
    [
      'a number is another',
      'stacked_lstm_eval',
      (d) => setNumber(d, 'grad.lstm.1.weight_hh', 1),
      /grad\.lstm\.1\.weight_hh/,
    ],
    ['an input is another', 'stacked_lstm_train', (d) => setNumber(d, 'mask.drop.hidden.0', 7), /./],
    ['a removed count is another', 'topology_updates', (d) => setNumber(d, 'case.2.removed', 1), /case\.2\.removed/],
    [
      'an average is another',
      'snt_asgd_trace',
      (d) => setNumber(d, 'step.4.average.bias', 9, 3),
      /step\.4\.average\.bias/,
    ],
    ['a loss is another', 'training_trajectory', (d) => setNumber(d, 'loss', 9, 17), /^loss$/],
    [
      'weights at a point are others',
      'training_trajectory',
      (d) => setNumber(d, 'weights.40.decoder.bias', 9),
      /weights\.40/,
    ],
    ['a rate is another', 'cosine_decay', (d) => setEntry(d, { eta_min: 0.006 }), /values/],

    ['a result is NaN', 'stacked_lstm_eval', (d) => setNumber(d, 'output', NaN, 5), /tensor output has NaN at 5/],
    [
      'a weight is NaN',
      'stacked_lstm_eval',
      (d) => setNumber(d, 'param.decoder.bias', NaN),
      /param\.decoder\.bias has NaN/,
    ],
    [
      'a norm is infinite',
      'training_trajectory',
      (d) => setNumber(d, 'grad_norm', Infinity, 3),
      /grad_norm has Infinity/,
    ],
    ['a mask is NaN', 'topology_updates', (d) => setNumber(d, 'case.0.kept', NaN), /case\.0\.kept has NaN/],
    ['a mask is neither 0 nor 1', 'topology_updates', (d) => setNumber(d, 'case.0.kept', 2), /neither 0 nor 1/],

    [
      'a gradient is missing',
      'stacked_lstm_eval',
      (d) => d.tensors.delete('grad.decoder.bias'),
      /no tensor grad\.decoder\.bias/,
    ],
    ['a state is missing', 'stacked_lstm_eval', (d) => d.tensors.delete('state_out.3'), /no tensor state_out\.3/],
    [
      'a dropout mask is missing',
      'stacked_lstm_train',
      (d) => d.tensors.delete('mask.drop.output'),
      /no tensor mask\.drop\.output/,
    ],
    [
      'a dropout mask is of no site there is',
      'stacked_lstm_train',
      (d) => d.tensors.set('mask.drop.recurrent', d.tensors.get('mask.drop.input')!),
      /mask\.drop\.recurrent, which nothing in it accounts for/,
    ],
    ['a layer is missing', 'stacked_lstm_eval', (d) => setEntry(d, { layers: 3 }), /layers = 3.* layers = 2/],
    ['it is said to be tied', 'stacked_lstm_eval', (d) => setEntry(d, { tied: true }), /tied = true.* tied = false/],
    ['it is said to have dropout', 'stacked_lstm_eval', (d) => setEntry(d, { dropout: 0.2 }), /dropped = true/],
    ['a step is missing', 'snt_asgd_trace', (d) => setEntry(d, { steps: 10 }), /no tensor step\.9\./],
    ['a step is left out', 'snt_asgd_trace', (d) => setEntry(d, { steps: 8 }), /step\.8\.\S+ and 6 more/],
    [
      'an update is left out',
      'topology_updates',
      (d) => setEntry(d, { rates: [0.5, 0.8, 0.3] }),
      /case\.3\.\S+ and 5 more/,
    ],
    [
      'an average is missing',
      'training_trajectory',
      (d) => d.tensors.delete('average.decoder.bias'),
      /no tensor average\.decoder\.bias/,
    ],
    ['losses are missing', 'training_trajectory', (d) => d.tensors.delete('loss'), /no tensor loss/],
    [
      'some weights of a point are missing',
      'training_trajectory',
      (d) => d.tensors.delete('weights.20.decoder.bias'),
      /no tensor weights\.20\.decoder\.bias/,
    ],
    [
      'weights are missing at every point',
      'training_trajectory',
      ({ tensors }) => {
        for (const name of [...tensors.keys()]) if (name.startsWith('weights.')) tensors.delete(name);
      },
      /no tensor weights\.N/,
    ],
    [
      'it has weights of a step that is never done',
      'training_trajectory',
      (d) => d.tensors.set('weights.61.decoder.bias', d.tensors.get('weights.60.decoder.bias')!),
      /weights\.61\.decoder\.bias/,
    ],
    ['it has no steps', 'snt_asgd_trace', (d) => setEntry(d, { steps: 0 }), /steps: /],
    ['it has no training steps', 'training_trajectory', (d) => setEntry(d, { steps: 0 }), /steps: /],
    ['it has no rates', 'topology_updates', (d) => setEntry(d, { rates: [] }), /rates: /],
    ['it has no values', 'cosine_decay', (d) => setEntry(d, { values: [] }), /values: /],
    ['its entry is a number', 'stacked_lstm_eval', (d) => (d.entry = 1), /not an object/],
    ['its entry is null', 'cosine_decay', (d) => (d.entry = null), /not an object/],
    ['its entry is a list', 'topology_updates', (d) => (d.entry = []), /not an object/],
    ['it has no file', 'stacked_lstm_eval', noFile, /stacked_lstm_eval\.safetensors is not there/],
    ['it has no file of updates', 'topology_updates', noFile, /is not there/],
    ['it has no file of steps', 'snt_asgd_trace', noFile, /is not there/],
    ['it has no file of a trajectory', 'training_trajectory', noFile, /is not there/],
  ];

  test.each(changes)('if %s (%s)', (_, name, change, detail) => {
    const verdicts = verdictsOn(name, change);
    expect(verdicts.length).toBeGreaterThan(0);
    for (const verdict of verdicts) {
      expect(verdict.status).toBe('fail');
      expect(verdict.detail).toMatch(detail);
      expect(verdict.detail).not.toContain('\n');
    }
  });
});

test('a case of a kind that we do not have is unsupported, whatever its file is like', () => {
  const folder = write({
    tree: { entry: { model: 'tree-lstm' }, tensors: draft('gru_eval').tensors },
    cache: draft('neural_cache'),
    empty: { entry: {}, tensors: new Map() },
  });
  truncateSync(join(folder, 'tree.safetensors'), 100);
  expect(verdictsOf(folder).map(({ case: name, layout, status }) => [name, layout, status])).toEqual([
    ['tree', 'packed', 'unsupported'],
    ['tree', 'masked', 'unsupported'],
    ['cache', 'none', 'unsupported'],
    ['empty', 'none', 'unsupported'],
  ]);
});

describe('npm run golden', () => {
  const golden = (...args: string[]) => {
    const bundle = join(import.meta.dirname, '../../out/main/golden.js');
    return spawnSync(process.execPath, [bundle, ...args], { encoding: 'utf8', timeout: 50_000 });
  };

  test('with --json gives one line a case and layout, and exit status 0', () => {
    const { status, stdout, stderr } = golden(
      write({
        a: draft('stacked_lstm_tied'),
        b: { entry: { model: 'tree-lstm' }, tensors: new Map() },
        c: draft('cosine_decay'),
      }),
      '--json',
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    const small = expect.closeTo(0, 5) as number;
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { case: 'a', layout: 'packed', worstRelativeError: small, status: 'pass' },
      { case: 'a', layout: 'masked', worstRelativeError: small, status: 'pass' },
      { case: 'b', layout: 'packed', worstRelativeError: null, status: 'unsupported' },
      { case: 'b', layout: 'masked', worstRelativeError: null, status: 'unsupported' },
      { case: 'c', layout: 'none', worstRelativeError: small, status: 'pass' },
    ]);
  });

  test('goes on after a damaged file, a missing one and an entry that is none, and ends with exit status 1', () => {
    const folder = write({
      cut: draft('stacked_lstm_eval'),
      absent: { ...draft('training_trajectory'), tensors: new Map() },
      none: { entry: 'x', tensors: new Map() },
      header: draft('topology_updates'),
      whole: draft('snt_asgd_trace'),
    });
    truncateSync(join(folder, 'cut.safetensors'), 20_000);
    truncateSync(join(folder, 'header.safetensors'), 5);
    const { status, stdout, stderr } = golden(folder);
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
    expect(stdout.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^fail +cut +packed .*cut\.safetensors is not a readable safetensors file/),
      expect.stringMatching(/^fail +cut +masked /),
      expect.stringMatching(/^fail +absent +packed .*absent\.safetensors is not there/),
      expect.stringMatching(/^fail +absent +masked /),
      expect.stringMatching(/^fail +none +none .*not an object/),
      expect.stringMatching(/^fail +header +none .*it has only 5 bytes/),
      expect.stringMatching(/^pass +whole +packed +\d/),
      expect.stringMatching(/^pass +whole +masked +\d/),
    ]);
  });

  test.each([
    ['is not there', undefined, /manifest\.json is not there/],
    ['is no JSON', '{"a":\n{},\n}', /manifest\.json is not JSON/],
    ['is a list', '[]', /is not an object of cases/],
    ['is empty', '{}', /has no cases/],
  ])('ends with one line and exit status 2 if the manifest %s', (_, manifest, line) => {
    const folder = temporaryFolder();
    if (manifest !== undefined) writeFileSync(join(folder, 'manifest.json'), manifest);
    const { status, stdout, stderr } = golden(folder, '--json');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^golden: [^\n]+\n$/);
    expect(stderr).toMatch(line);
  });
});
