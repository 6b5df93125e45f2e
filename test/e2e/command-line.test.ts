import { execFile, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseRunConfig } from '../../src/shared/run-config.js';
import { presets } from '../../src/shared/presets.js';
import { eventsOf, Home, sparrow } from '../support/sparrow.js';

const home = new Home();
const file = (name: string) => join(home.path, name);
beforeAll(() => {
  const text = (lines: number) => 'the cat sat on the mat\n'.repeat(lines);
  writeFileSync(file('train.txt'), text(40));
  writeFileSync(file('valid.txt'), text(20));
  writeFileSync(file('test.txt'), text(20));
  writeFileSync(file('empty.txt'), '');
  writeFileSync(file('short.txt'), text(2));
  writeFileSync(file('latin1.txt'), Buffer.from('caf\xe9\n'.repeat(50), 'latin1'));
  writeFileSync(file('broken.json'), '{"model": ');
  writeFileSync(file('unknown.json'), '{"model": {"hiden": 3}}');
  writeFileSync(file('list.json'), '[]');
});
afterAll(() => {
  home.remove();
});

const tiny = [
  'model.hidden=8',
  'model.embedding=8',
  'corpus.vocabulary=100',
  'corpus.tokens=1000',
  'training.epochs=1',
];
const set = (settings: readonly string[]) => settings.flatMap((setting) => ['--set', setting]);
const tinyRun = (name: string, ...more: string[]) => [
  'train',
  ...['--name', name],
  ...set([...tiny, 'training.batch=5', 'training.evaluationBatch=2', 'training.bptt=10', ...more]),
];
const imported = (name: string, train: string, valid = 'valid.txt', test = 'test.txt') => [
  ...['data', 'import', name],
  ...['--train', file(train), '--valid', file(valid), '--test', file(test)],
];

/** What is refused: the command, its exit status, and its one line. */
const refusals: [args: () => string[], status: number, line: RegExp][] = [
  [() => ['trian'], 2, /unknown command 'trian'.*train/],
  [() => ['train', '--perset', 'quick-selfish'], 2, /unknown option '--perset'.*--preset/],
  [() => ['train', '--preset'], 2, /argument missing/],
  [() => ['train', 'quick-selfish'], 2, /too many arguments/],
  [() => ['resume'], 2, /missing required argument 'id'/],
  [() => ['resume', 'x', '--threads', 'many'], 2, /'many' is invalid.*whole number from 0 to 1024/],
  [() => ['data', 'import', 'x'], 2, /required option '--train <file>' not specified/],
  [() => ['data', 'delete', 'x'], 2, /unknown command 'delete'/],
  [() => ['train', '--preset', 'slow'], 1, /slow: no such preset; there are quick-selfish/],
  [() => ['presets', 'slow'], 1, /slow: no such preset/],
  [() => ['train', '--preset', 'quick-selfish', '--config', 'x.json'], 1, /--preset and --config exclude each other/],
  [() => ['train', '--config', file('absent.json')], 1, /cannot read the configuration \S+absent\.json: ENOENT/],
  [() => ['train', '--config', file('broken.json')], 1, /cannot read the configuration \S+broken\.json: .*JSON/],
  [
    () => ['train', '--config', file('unknown.json')],
    1,
    /model\.hiden: no such field in model; the fields are .*hidden/,
  ],
  [() => ['train', '--config', file('list.json')], 1, /configuration: .*must be of type object/],
  [() => ['train', '--set', 'method.density'], 1, /--set method\.density: expected FIELD=VALUE/],
  [() => ['train', '--set', 'method.density=2'], 1, /method\.density: 2 must be at most 1/],
  [() => ['train', '--set', 'method.density=lots'], 1, /method\.density: "lots" is not a number/],
  [() => ['train', '--set', 'model.tied=yes'], 1, /model\.tied: "yes" is neither true nor false/],
  [
    () => ['train', '--set', 'method.kind=rigged'],
    1,
    /method\.kind: "rigged" must be one of "dense", "static", "selfish"/,
  ],
  [() => ['train', '--set', 'method.kind=dense'], 1, /method\.density: 0\.33 must be 1 where method\.kind is "dense"/],
  [
    () => ['train', '--set', 'corpus.name=ptb'],
    1,
    /there is no corpus "ptb"; there are built-in.*sparrow data fetch ptb/,
  ],
  [() => tinyRun('x', 'training.bptt=500'), 1, /the training text of built-in is shorter than one window/],
  [() => tinyRun('x', 'method.density=0.00001'), 1, /method\.density: 0\.00001 leaves no active weight in/],
  [() => ['resume', 'nothing-1'], 1, /nothing-1: there is no such run in/],
  [() => ['resume', '../../etc'], 1, /\.\.\/\.\.\/etc: there is no such run/],
  [() => imported('bad name', 'train.txt'), 1, /corpus\.name: "bad name" must be 1 to 64 of a-z/],
  [() => imported('built-in', 'train.txt'), 1, /built-in is the name of Sparrow's own corpus/],
  [() => imported('mine', 'absent.txt'), 1, /cannot read \S+absent\.txt: it is not there/],
  [() => imported('mine', 'train.txt', 'empty.txt'), 1, /empty\.txt is empty/],
  [() => imported('mine', 'latin1.txt'), 1, /latin1\.txt is not UTF-8 text/],
  [() => imported('mine', 'train.txt', 'valid.txt', 'short.txt'), 1, /short\.txt is shorter than one window/],
  [() => ['data', 'fetch', 'c4'], 1, /c4: no such corpus can be fetched; there are ptb, wikitext-2/],
  [() => ['data', 'fetch', 'ptb', '--from', 'ftp://x'], 1, /is not an http or https address/],
  [
    () => ['data', 'fetch', 'ptb', '--from', 'http://127.0.0.1:9/'],
    1,
    /cannot fetch http:\/\/127\.0\.0\.1:9\/ptb\.train\.txt/,
  ],
];

test.each(refusals.map(([args, status, line]) => ({ name: String(line), args, status, line })))(
  'one line and exit status $status: $name',
  async ({ args, status, line }) => {
    const ended = await sparrow(home, args());
    expect(ended.stderr).toMatch(/^sparrow: [^\n]+\n$/);
    expect(ended.stderr).toMatch(line);
    expect(ended.stdout).toBe('');
    expect(ended.status).toBe(status);
  },
);

test('a refused run leaves nothing behind', async () => {
  expect((await sparrow(home, tinyRun('refused', 'training.bptt=500'))).status).toBe(1);
  expect(existsSync(home.run('refused-1'))).toBe(false);
  const { status, stderr } = await sparrow(home, ['resume', 'refused-1']);
  expect(status).toBe(1);
  expect(stderr).toContain('there is no such run');
});

test('help and version go to standard output with exit status 0', async () => {
  const help = await sparrow(home, ['--help']);
  expect(help).toMatchObject({ status: 0, stderr: '' });
  for (const command of ['train', 'resume', 'runs', 'show', 'pause', 'stop', 'rm', 'presets', 'data', 'doctor'])
    expect(help.stdout).toContain(`  ${command}`);
  const version = await sparrow(home, ['--version']);
  expect(version).toMatchObject({ status: 0, stderr: '' });
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('presets are listed, printed whole, and given as JSON', async () => {
  const listed = await sparrow(home, ['presets']);
  for (const { name, sentence } of presets)
    expect(listed.stdout).toMatch(new RegExp(`^${name} +${escape(sentence)}$`, 'm'));
  const printed = await sparrow(home, ['presets', 'quick-selfish']);
  expect(parseRunConfig(JSON.parse(printed.stdout))).toEqual(JSON.parse(printed.stdout));
  const json = JSON.parse((await sparrow(home, ['presets', '--json'])).stdout) as { name: string }[];
  expect(json.map(({ name }) => name)).toEqual(presets.map(({ name }) => name));
});

test('what a preset prints trains the same run as the preset', async () => {
  const small = ['training.epochs=1', 'corpus.tokens=4000', 'name=same'];
  const first = await sparrow(home, ['train', '--preset', 'quick-selfish', ...set(small)]);
  expect(first.status).toBe(0);
  const { stdout } = await sparrow(home, ['presets', 'quick-selfish']);
  writeFileSync(file('printed.json'), stdout);
  const second = await sparrow(home, ['train', '--config', file('printed.json'), ...set(small)]);
  expect(second.status).toBe(0);
  const perplexity = (id: string) => {
    const finished = eventsOf(home.run(id)).at(-1);
    return finished?.type === 'finished' ? finished.testPerplexity : undefined;
  };
  expect(perplexity('same-1')).toBeGreaterThan(1);
  expect(perplexity('same-2')).toBe(perplexity('same-1'));
});

test('a run that is not watched on a terminal tells a line an epoch, and its result as a table', async () => {
  const { status, stdout, stderr } = await sparrow(home, tinyRun('plain', 'training.epochs=2'));
  expect(status).toBe(0);
  expect(stderr.split('\n')).toEqual([
    expect.stringMatching(/^plain-1: [\d,]+ of [\d,]+ parameters active, (masked|packed), on \w+/),
    expect.stringMatching(/^epoch 1\/2 {2}step \d+ {2}training [\d.,]+ {2}validation [\d.,]+ {2}[\d,]+ words\/s$/),
    expect.stringMatching(/^epoch 2\/2 /),
    '',
  ]);
  expect(stdout).toMatch(/^run +plain-1$/m);
  expect(stdout).toMatch(/^test perplexity +[\d.]+$/m);
  expect(stdout).toMatch(/^best possible +[\d.]+ on the test text$/m);
  expect(stdout).toMatch(/^lstm\.1\.weight_hh forget +[\d.]+ % +[\d.]+ %$/m);
});

test('with --json every line of standard output is an event of the run', async () => {
  const { status, stdout, stderr } = await sparrow(home, [...tinyRun('lines'), '--json']);
  expect(status).toBe(0);
  expect(stderr).toBe('');
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; run: string });
  expect(new Set(events.map(({ run }) => run))).toEqual(new Set(['lines-1']));
  expect(events[0].type).toBe('started');
  expect(events.at(-1)?.type).toBe('finished');
});

test('a reader that stops reading ends the run, which can be resumed', async () => {
  const bundle = join(import.meta.dirname, '../../out/main/sparrow.js');
  const quoted = [process.execPath, bundle, ...tinyRun('piped', 'training.epochs=100000'), '--json'];
  const command = `${quoted.map((word) => `'${word}'`).join(' ')} | head -3; echo "status \${PIPESTATUS[0]}"`;
  const stdout = await new Promise<string>((resolve) => {
    const options = { env: { ...process.env, SPARROW_HOME: home.path }, timeout: 50_000 };
    execFile('bash', ['-c', command], options, (_error, output) => {
      resolve(output);
    });
  });
  const lines = stdout.trimEnd().split('\n');
  expect(lines).toHaveLength(4);
  expect(lines[3]).toBe('status 143');
  expect(eventsOf(home.run('piped-1')).at(-1)?.type).toBe('stopped');
});

test('output that cannot be written is a failure that is told', (context) => {
  if (!existsSync('/dev/full')) context.skip('there is no /dev/full here');
  const bundle = join(import.meta.dirname, '../../out/main/sparrow.js');
  const run = (args: readonly string[]) => {
    const full = openSync('/dev/full', 'w');
    const options = { env: { ...process.env, SPARROW_HOME: home.path }, timeout: 50_000, encoding: 'utf8' } as const;
    const ended = spawnSync(process.execPath, [bundle, ...args], { ...options, stdio: ['ignore', full, 'pipe'] });
    closeSync(full);
    return ended;
  };
  const presets = run(['presets']);
  expect(presets.stderr).toMatch(/^sparrow: cannot write what it has to say: ENOSPC[^\n]*\n$/);
  expect(presets.status).toBe(1);
  const train = run([...tinyRun('to-full', 'training.epochs=100000'), '--json']);
  expect(train.stderr).toMatch(/^sparrow: cannot write what it has to say: ENOSPC/);
  expect(train.stderr).toContain('sparrow: to-full-1 is stopped and checkpointed');
  expect(train.status).not.toBe(0);
});

test('a corpus that was imported is listed and can be trained on', async () => {
  const added = await sparrow(home, imported('cats', 'train.txt'));
  expect(added).toMatchObject({ status: 0, stderr: '' });
  expect(added.stdout).toBe('cats: 6 different words; 280, 140, 140 words to train, validate and test on\n');
  const again = await sparrow(home, imported('cats', 'train.txt'));
  expect(again.status).toBe(1);
  expect(again.stderr).toMatch(/^sparrow: there is a corpus cats already: .*\n$/);
  const listed = await sparrow(home, ['data', 'list']);
  expect(listed.stdout).toMatch(/^cats +6 +280 +140 +140 +imported$/m);
  expect(listed.stdout).toMatch(/^sparrow data fetch ptb /m);
  const { corpora } = JSON.parse((await sparrow(home, ['data', 'list', '--json'])).stdout) as {
    corpora: { name: string }[];
  };
  expect(corpora.map(({ name }) => name)).toEqual(['cats']);
  const { status, stdout } = await sparrow(home, tinyRun('on-cats', 'corpus.name=cats'));
  expect(status).toBe(0);
  expect(stdout).not.toContain('best possible'); // of a language that nobody knows
});

test('bench step times whole steps of what it is told to', async () => {
  const sizes = ['--hidden', '8', '--layers', '1', '--batch', '3', '--bptt', '4', '--vocabulary', '50', '--steps', '3'];
  const { status, stdout, stderr } = await sparrow(home, ['bench', 'step', ...sizes, '--density', '0.5', '--json']);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const result = JSON.parse(stdout) as Record<string, unknown>;
  // Half of two matrices of 50 x 8 and two of 32 x 8, and all biases.
  expect(result).toMatchObject({ activeWeights: (2 * 400 + 2 * 256) / 2 + 2 * 32 + 50, clipNorm: 'all' });
  for (const name of ['msPerStep', 'tokensPerSecond', 'peakMemoryMb']) expect(result[name]).toBeGreaterThan(0);
  const dense = await sparrow(home, ['bench', 'step', ...sizes, '--density', '1.0', '--engine', 'wasm']);
  expect(dense.status).toBe(0);
  expect(dense.stdout).toMatch(/^engine +wasm, 1 thread, masked/m);
});

test.each([
  [['--hidden', 'many'], 1, /^sparrow: model\.hidden: "many" is not a number\n$/],
  [['--density', '0'], 1, /^sparrow: method\.density: 0 must be more than 0\n$/],
  [['--clip-norm', 'some'], 1, /^sparrow: optimizer\.clipNorm: "some" must be one of "all", "sketched", "active"\n$/],
  [['--engine', 'abacus'], 1, /^sparrow: device\.engine: "abacus" must be one of "auto", .*"wasm"\n$/],
  [['--layout', 'loose'], 1, /^sparrow: device\.layout: "loose" must be one of "auto", "packed", "masked"\n$/],
  [['--model', 'mlp'], 1, /^sparrow: model\.kind: "mlp" must be one of "stacked-lstm", .*"gru"\n$/],
  [['--steps', '0'], 1, /^sparrow: --steps: "0" must be a whole number of at least 1\n$/],
  [['--vocabulary', '1'], 1, /^sparrow: --vocabulary: "1" must be a whole number of at least 2\n$/],
  [['--hidden', '100000'], 1, /^sparrow: the model needs \S+ GB for its weights.*\n$/],
  [['--width', '3'], 2, /^sparrow: unknown option '--width'\n$/],
])('bench step refuses %j in one line', async (args, status, message) => {
  const refused = await sparrow(home, ['bench', 'step', ...args]);
  expect(refused).toMatchObject({ status, stdout: '' });
  expect(refused.stderr).toMatch(message);
});

test('bench step says where the time of a step goes', async () => {
  const sizes = ['--hidden', '8', '--layers', '2', '--batch', '3', '--bptt', '4', '--vocabulary', '50', '--steps', '1'];
  const { status, stdout } = await sparrow(home, [
    'bench',
    'step',
    ...sizes,
    '--density',
    '0.5',
    '--profile',
    '--json',
  ]);
  expect(status).toBe(0);
  const { msPerStep, profile } = JSON.parse(stdout) as { msPerStep: number; profile: Record<string, number> };
  const layers = ['lstm 0 forward', 'lstm 1 forward', 'lstm 1 backward', 'lstm 0 backward'];
  for (const op of [...layers, 'decoder forward', 'decoder backward', 'update']) expect(profile[op]).toBeGreaterThan(0);
  expect(Object.values(profile).reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(msPerStep, 6);
});

test('doctor says what works, and fails where the data folder cannot be written', async () => {
  const well = await sparrow(home, ['doctor']);
  expect(well).toMatchObject({ status: 0, stderr: '' });
  expect(well.stdout).toMatch(/^ok {3}engine wasm +tfjs \d/m);
  expect(well.stdout).toContain(home.path);
  interface Finding {
    readonly name: string;
    readonly ok: boolean;
    readonly needed: boolean;
  }
  const findings = JSON.parse((await sparrow(home, ['doctor', '--json'])).stdout) as Finding[];
  expect(findings.filter(({ ok, needed }) => !ok && needed)).toEqual([]);
  const without = await sparrow(home, ['doctor'], { SPARROW_NATIVE: 'off' });
  expect(without.status).toBe(0); // one engine will do
  expect(without.stdout).toMatch(
    /^none engine native +device\.engine: the native engine is not there: SPARROW_NATIVE is off/m,
  );
  writeFileSync(file('not-a-folder'), '');
  const nowhere = ['/proc/nowhere/at/all', join(file('not-a-folder'), 'home')]; // the first makes Node's own mkdir hang
  const [, ill] = await Promise.all(nowhere.map((path) => sparrow(home, ['doctor'], { SPARROW_HOME: path })));
  expect(ill.status).toBe(1);
  expect(ill.stdout).toMatch(/^FAIL data folder +cannot write to the data folder \S+: .*SPARROW_HOME/m);
});

test('a damaged database is refused with its name, and stays as it is', async () => {
  const ruined = new Home();
  try {
    const database = join(ruined.path, 'sparrow.db');
    writeFileSync(database, 'no database, but long enough to be taken for one. '.repeat(100));
    for (const args of [['runs'], ['show', 'x-1'], ['resume', 'x-1'], tinyRun('x')]) {
      const { status, stdout, stderr } = await sparrow(ruined, args);
      expect(stderr).toMatch(/^sparrow: \S+sparrow\.db [^\n]+\n$/);
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    }
    expect(readFileSync(database, 'utf8')).toMatch(/^no database/);
  } finally {
    ruined.remove();
  }
});

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
