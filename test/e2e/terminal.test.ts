import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { barLine } from '../../src/main/shells/cli/text.js';
import { eventsOf, Home, slowSteps } from '../support/sparrow.js';

const bundle = join(import.meta.dirname, '../../out/main/sparrow.js');
const home = new Home();
afterAll(() => {
  home.remove();
});

describe('a bar with text behind it', () => {
  const parts = ['45%', 'epoch 3/8', '12 min 30 s left', '123,456 words/s', 'validation 1,234', 'loss 4.123'];

  test('fits in every width, and is dropped only where nothing else can be', () => {
    for (let width = 0; width <= 200; width++) {
      const line = barLine(width, 0.45, parts);
      expect(line.length).toBeLessThanOrEqual(width);
      expect(/█|░/.test(line)).toBe(width >= ' ░░░░░░░░░░ 45%'.length);
    }
  });

  test('gives away bar first and then parts from the right; speed and time left are seen in 80 columns', () => {
    const seen = (width: number) => parts.filter((part) => barLine(width, 0.45, parts).includes(part)).length;
    expect([120, 90, 79, 60, 50, 30, 20].map(seen)).toEqual([6, 5, 5, 3, 3, 2, 1]);
    expect(barLine(200, 0.45, parts)).toBe(` ${'█'.repeat(18)}${'░'.repeat(22)} ${parts.join('  ')}`);
    expect(barLine(50, 0.5, parts.slice(0, 2))).toBe(` ${'█'.repeat(17)}${'░'.repeat(17)} 45%  epoch 3/8`);
    expect(barLine(20, 0, parts)).toBe(` ${'░'.repeat(15)} 45%`);
    expect(barLine(20, 1.5, parts)).toBe(` ${'█'.repeat(15)} 45%`);
  });
});

const escape = '\x1b';
const eraseBelow = '\x1b[J';

/** Of util-linux: runs a command on a terminal of its own. */
const script = 'script';
const terminals = spawnSync(script, ['-qec', 'stty size', '/dev/null'], { timeout: 10_000 }).status === 0;

const quoted = (words: readonly string[]) => words.map((word) => `'${word}'`).join(' ');
const settings = ['model.hidden=16', 'model.embedding=16', 'corpus.vocabulary=100', 'training.reportEvery=5'];
const train = (name: string, ...more: string[]) => {
  const set = [...settings, ...more].flatMap((setting) => ['--set', setting]);
  return quoted([process.execPath, bundle, 'train', '--name', name, ...set]);
};
const short = ['corpus.tokens=10000', 'training.epochs=2', 'training.batch=5', 'training.bptt=10'];
const long = ['corpus.tokens=20000', 'training.epochs=1000'];

/** A shell command on a terminal of its own. */
class OnTerminal {
  readonly ended: Promise<number | null>;
  output = '';
  readonly #child;

  constructor(command: string, environment: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(script, ['-qec', command, '/dev/null'], {
      env: { ...process.env, TERM: 'xterm', SPARROW_HOME: home.path, ...environment },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    const timer = setTimeout(() => this.#child.kill('SIGHUP'), 40_000);
    this.ended = once(this.#child, 'close').then((end: unknown[]) => {
      clearTimeout(timer);
      return end[0] as number | null;
    });
  }

  press(keys: string): void {
    this.#child.stdin.write(keys);
  }

  /** As when its window is closed. */
  close(): void {
    this.#child.kill('SIGKILL');
  }

  async until(text: string | RegExp): Promise<void> {
    for (const deadline = Date.now() + 30_000; this.output.search(text) === -1;) {
      if (Date.now() > deadline) throw new Error(`never saw ${String(text)} in ${JSON.stringify(this.output)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** What stands on a terminal after some output, and every line that ever stood there; it wraps as terminals do. */
function shown(output: string, columns: number): { lines: string[]; ever: string[] } {
  const lines = [''];
  const ever: string[] = [];
  let [row, column] = [0, 0];
  // eslint-disable-next-line no-control-regex
  for (const [token] of output.matchAll(/\x1b\[J|[\r\n]|[^\x1b\r\n]/gu)) {
    const line = lines[row].padEnd(column);
    if (token === '\r') column = 0;
    else if (token === '\n') {
      row += 1;
      if (row === lines.length) lines.push('');
    } else if (token === '\x1b[J') {
      ever.push(lines[row]);
      lines.splice(row, Infinity, line.slice(0, column));
    } else if (column === columns) {
      lines.splice(row + 1, 0, token);
      [row, column] = [row + 1, 1];
    } else {
      lines[row] = line.slice(0, column) + token + line.slice(column + 1);
      column += 1;
    }
  }
  return { lines: lines.map((line) => line.trimEnd()), ever: ever.map((line) => line.trimEnd()) };
}

describe('on a terminal', () => {
  beforeEach((context) => {
    if (!terminals) context.skip('`script` of util-linux is not there to make a terminal');
  });

  test.each([80, 50])('of %d columns the bar keeps to one line and is gone in the end', async (columns) => {
    const terminal = new OnTerminal(`stty cols ${columns} rows 24; ${train(`wide-${columns}`, ...short)}`);
    expect(await terminal.ended).toBe(0);
    const { lines, ever } = shown(terminal.output, columns);
    const bars = ever.filter((line) => /█|░/.test(line));
    expect(bars.length).toBeGreaterThan(2);
    for (const bar of bars) {
      expect(bar).toMatch(/^ [█░]{10,40} \d+%( {2}epoch [12]\/2)/);
      expect(bar.length).toBeLessThan(columns);
    }
    const running = bars.filter((bar) => /\d+ s left/.test(bar));
    expect(running.length).toBeGreaterThan(0);
    if (columns === 80) for (const bar of running) expect(bar).toMatch(/\d s left {2}[\d,]+ words\/s/);

    expect(ever[0]).toBe(`wide-${columns}-1: preparing`);
    expect(lines[0]).toMatch(/^wide-\d+-1: [\d,]+ of [\d,]+ parameters active/);
    expect(lines.join('\n')).not.toMatch(/█|░|preparing| left/);
    expect(lines).toContainEqual(expect.stringMatching(/^test perplexity +[\d.]+$/));
  });

  test('the run says at once that it prepares, and at last that it tests', async () => {
    // Short windows, and a while for each, make it take long enough to be seen.
    const slow = ['corpus.tokens=60000', 'training.epochs=1', 'training.bptt=5', 'training.batch=40'];
    const command = train('phases', ...slow, 'training.evaluationBatch=2');
    const terminal = new OnTerminal(`stty cols 80 rows 24; ${command}`, slowSteps(2));
    await terminal.until('preparing');
    expect(terminal.output).not.toContain('parameters active');
    expect(await terminal.ended).toBe(0);
    const doing = shown(terminal.output, 80).ever.map((line) => /starting|s left|validating|testing/.exec(line)?.[0]);
    expect([...new Set(doing)].filter((text) => text !== undefined)).toEqual([
      ...['starting', 's left', 'validating', 'testing'],
    ]);
  });

  test('Ctrl+C takes the bar away before it says what happens, and nothing is drawn over that', async () => {
    const terminal = new OnTerminal(`stty cols 100 rows 24; ${train('stopped', ...long)}`);
    await terminal.until(/words\/s/);
    terminal.press('\x03');
    expect(await terminal.ended).toBe(130);
    expect(terminal.output).toContain('^C');
    expect(shown(terminal.output, 100).lines).toEqual([
      expect.stringMatching(/^stopped-1: .* parameters active/),
      'sparrow: stopping at the next step and writing a checkpoint',
      'sparrow: stopped-1 is stopped and checkpointed: go on with "sparrow resume stopped-1"',
      '',
    ]);
  });

  test('the bar fits a window that was made narrower', async () => {
    const narrower = 'read -r line; stty cols 40; echo narrowed';
    const terminal = new OnTerminal(`stty cols 120 rows 24; ${train('narrowed', ...long)} & ${narrower}; wait`);
    await terminal.until(/words\/s/);
    terminal.press('\n');
    await terminal.until(/narrowed\r\n[^]*epoch[^]*epoch/);
    terminal.press('\x03');
    await terminal.ended;
    const drawn = terminal.output.slice(terminal.output.search(/narrowed\r\n/)).split('\r');
    const bars = drawn.filter((line) => line.includes('░')).map((line) => line.replace(eraseBelow, ''));
    // The first may have been on its way.
    for (const bar of bars.slice(1)) {
      expect(bar).toMatch(/^ [█░]{10,} \d+% {2}epoch/);
      expect(bar.length).toBeLessThan(40);
    }
    expect(bars.length).toBeGreaterThan(1);
  });

  // A shell that waits for the command gets the signal first; its end sends it to the whole group, trainer included.
  test.each([
    ['command', ''],
    ['shell', '; true'],
  ])('that is closed, the run of a %s is checkpointed', async (leader, after) => {
    const name = `closed-${leader}`;
    const terminal = new OnTerminal(`stty cols 80 rows 24; ${train(name, ...long)}${after}`);
    await terminal.until(/words\/s/);
    terminal.close();
    await terminal.ended;
    const lastEvent = () => eventsOf(home.run(`${name}-1`)).at(-1)?.type;
    for (const deadline = Date.now() + 20_000; lastEvent() !== 'stopped' && Date.now() < deadline;) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(lastEvent()).toBe('stopped');
  });

  test('that cannot move the cursor, lines are written', async () => {
    const terminal = new OnTerminal(`stty cols 80 rows 24; ${train('dumb', ...short)}`, { TERM: 'dumb' });
    expect(await terminal.ended).toBe(0);
    expect(terminal.output).not.toMatch(/[█░]/);
    expect(terminal.output).not.toContain(escape);
    expect(terminal.output).toMatch(/^dumb-1: preparing\r\n/);
    expect(terminal.output).toMatch(/^epoch 2\/2 {2}step \d+/m);
  });

  test('there are no colours, whatever NO_COLOR says', async () => {
    for (const environment of [{}, { NO_COLOR: '1' }]) {
      const terminal = new OnTerminal(`stty cols 80 rows 24; ${train('plain', ...short)}`, environment);
      expect(await terminal.ended).toBe(0);
      expect(terminal.output).toContain('░');
      expect(terminal.output.replaceAll(eraseBelow, '')).not.toContain(escape);
    }
  });
});
