import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { boundsOf, type KernelFigure } from '../../bench/bounds.js';
import { cases, modelCases, normsOf, setting, type Case } from '../../bench/cases.js';
import { curves, fidelityTables, figureOf, summariseMethod, type Outcome } from '../../bench/fidelity-table.js';
import { markdownTable, withMeasured } from '../../bench/markdown.js';
import { peerFigure } from '../../bench/measure.js';
import { barsOf, median, summarise, type Pair } from '../../bench/ratios.js';
import { missed, modelPage, modelTable, page, tables } from '../../bench/report.js';
import { modelKindNames } from '../../src/shared/model-config.js';

const one: Case = { id: '1500-0.33', hidden: 1500, density: 0.33, must: 1.5, reach: 2, memory: 0.6 };

function pair(norm: Pair['norm'], ours: number, peer?: number, peakMb = 500): Pair {
  return { norm, ours: { ms: ours, peakMb }, ...(peer === undefined ? {} : { peer: { ms: peer, peakMb: 1000 } }) };
}

describe('ratios', () => {
  test('a median is the middle, or the mean of the two in the middle', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 6])).toBe(5.5);
    expect(() => median([])).toThrow('no median');
  });

  test('the median ratio is that of neighbours, not the ratio of medians', () => {
    const pairs = [pair('all', 100, 200), pair('all', 50, 60), pair('all', 200, 420), pair('active', 80, 160)];
    const { norms } = summarise(one, pairs);
    expect(norms.map(({ norm }) => norm)).toEqual(['all', 'active']);
    expect(norms[0]).toMatchObject({
      ratios: [2, 1.2, 2.1],
      faster: 2,
      ours: { ms: 100 },
      peer: { ms: 200 },
      memory: 0.5,
    });
  });

  test('a bar is for the exact norm, and holds when it is just reached', () => {
    const summary = summarise(one, [pair('active', 10, 1000), pair('all', 100, 150, 601)]);
    expect(barsOf(summary)).toEqual([
      { what: 'speed', wanted: 1.5, reached: 1.5, holds: true },
      { what: 'memory', wanted: 0.6, reached: 0.601, holds: false },
    ]);
  });

  test('without a peer there are figures of ours and no verdict', () => {
    const summary = summarise(one, [pair('all', 100), pair('all', 120)]);
    expect(summary.norms[0].ours.ms).toBe(110);
    expect(barsOf(summary)).toEqual([]);
    expect(tables({ cases: [summary] })).not.toMatch(/holds|missed|NaN|undefined/);
  });

  test('a dense run is timed with one norm: there all are the same', () => {
    expect(cases.filter((item) => normsOf(item).length === 1).map(({ id }) => id)).toEqual(['1500-dense']);
  });
});

describe('bounds', () => {
  const figures: KernelFigure[] = [
    ...['product', 'transposed', 'gradient', 'decoder product', 'recurrent forward', 'recurrent backward', 'update'],
    'gram norm',
  ].flatMap((kernel) => [
    { kernel, density: kernel === 'gram norm' ? 1 : 0.5, threads: setting.threads, gflops: 10 },
    { kernel, density: kernel === 'gram norm' ? 1 : 0.5, threads: 1, gflops: 1 },
  ]);

  test('are the arithmetic of an op over the speed of its kernels', () => {
    const bounds = boundsOf({ hidden: 64, density: 0.5 }, figures);
    expect(bounds.map(({ op }) => op)).toEqual([
      ...['lstm 0 forward', 'lstm 1 forward', 'decoder forward', 'decoder backward'],
      ...['lstm 1 backward', 'lstm 0 backward', 'update'],
    ]);
    // Half of 256 x 64 weights on 704 columns for the input, on 700 for the recurrence; two operations each.
    const forward = (0.5 * 256 * 64 * (704 + 700) * 2) / 1e9;
    expect(bounds[0].gigaOperations).toBeCloseTo(forward, 12);
    expect(bounds[0].ms).toBeCloseTo((forward / 10) * 1000, 9);
    // Backwards once more, and two gradients instead of one product; 66 pairs of blocks of 64 positions for six times 64 units.
    const backward = (0.5 * 256 * 64 * (3 * 704 + 700) * 2 + 2 * 66 * 64 * 64 * 6 * 64) / 1e9;
    expect(bounds[4].gigaOperations).toBeCloseTo(backward, 12);
  });

  test('want every kernel to have been measured', () => {
    expect(() => boundsOf({ hidden: 64, density: 0.4 }, figures)).toThrow('product was not measured at density 0.4');
  });
});

describe('pages', () => {
  test('a table has aligned columns', () => {
    expect(
      markdownTable(
        ['case', 'ms'],
        [
          ['a', '1234'],
          ['longer', '5'],
        ],
      ),
    ).toBe('| case   |   ms |\n| ------ | ---: |\n| a      | 1234 |\n| longer |    5 |\n');
  });

  test('only what lies between the markers is replaced', () => {
    const [begin, end] = ['<!-- measured: begin -->', '<!-- measured: end -->'];
    const before = `# Title\n\n${begin}\nold $&\n${end}\n\nby hand\n`;
    const after = withMeasured(before, 'new $& figures\n');
    expect(after).toBe(`# Title\n\n${begin}\n\nnew $& figures\n\n${end}\n\nby hand\n`);
    expect(withMeasured(after, 'new $& figures')).toBe(after);
    expect(() => withMeasured(`${end} ${begin}`, '')).toThrow('the page has no');
    expect(() => withMeasured(before, '', 'models')).toThrow('the page has no <!-- models: begin -->');
    const both = `${before}<!-- models: begin -->\n<!-- models: end -->\n`;
    expect(withMeasured(both, 'a table', 'models')).toBe(
      `${before}<!-- models: begin -->\n\na table\n\n<!-- models: end -->\n`,
    );
  });

  test('there is a row for each model, with the peer that is named after it and the engine that runs everywhere', () => {
    const peers = readFileSync(join(import.meta.dirname, '..', '..', 'bench', 'peers', 'torch_models.py'), 'utf8');
    for (const { model } of modelCases) expect(peers).toContain(`"${model}": lambda`);
    expect(modelCases.map(({ model }) => model)).toEqual(modelKindNames);
    const models = modelCases.map((item) => ({ ...summarise(item, [pair('all', 100, 250, 600)]), wasmMs: 1234.5 }));
    const written = modelPage({ date: '2026-01-31', machine: { processor: 'a chip' }, rounds: 1, steps: 5, models });
    expect(written).toContain('- processor: a chip\n');
    expect(written).toContain('- setting: 2 layers, hidden 650, density 0.33, 10000 words');
    for (const model of modelKindNames) {
      expect(written).toMatch(
        new RegExp(
          `^\\| ${model} +\\| +250 \\| +100 \\| +2\\.50 \\| +2\\.50 \\| +1235 \\| +1000 \\| +600 \\| +0\\.60 \\|$`,
          'm',
        ),
      );
    }
    const alone = modelTable([{ ...summarise(modelCases[0], [pair('all', 100)]), wasmMs: 1000 }]);
    expect(alone).not.toMatch(/NaN|undefined/);
  });

  test('what misses its bar is said, with what its kernels could reach', () => {
    const summaries = [
      summarise(one, [pair('all', 100, 140, 700)]),
      summarise({ ...one, id: '650-0.33', hidden: 650 }, [pair('all', 100, 200)]),
    ];
    const bounds = [{ op: 'lstm 0 forward', gigaOperations: 3, ms: 70 }];
    const profiles = [{ case: one, all: { 'lstm 0 forward': 90, rest: 10 }, active: { 'lstm 0 forward': 80 }, bounds }];
    expect(missed({ cases: summaries, profiles })).toEqual([
      'hidden 1500, density 0.33: 1.40 times faster, 1.50 is wanted. ' +
        'Its kernels alone, at the best speed measured of each, need 70.0 ms: 2.00 times faster.',
      'hidden 1500, density 0.33: 0.70 of the memory, at most 0.60 is wanted.',
    ]);
    const written = page({
      date: '2026-01-31',
      machine: { processor: 'a chip' },
      rounds: 1,
      steps: 5,
      cases: summaries,
      profiles,
    });
    expect(written).toContain('- processor: a chip\n');
    expect(written).toMatch(/^\| hidden 1500, density 0\.33 \| +140 \| +100 \| +1\.40 \| 1\.50 \| \*\*missed\*\* \|/m);
    expect(written).toMatch(/^\| hidden 650, density 0\.33 +\| +200 \| +100 \| +2\.00 \| 1\.50 \| +holds \|/m);
    expect(written).toContain('- hidden 1500, density 0.33: 1.40 times faster, 1.50 is wanted.');
    expect(written).toMatch(/^\| lstm 0 forward \| +90\.0 \| +80\.0 \| +3\.00 \| +70\.0 \|$/m);
    expect(written).toMatch(/^\| rest +\| +10\.0 \| +\| +\| +\|$/m);
    expect(written).toMatch(/^\| \*\*step\*\* +\| +100 \| +80\.0 \| +3\.00 \| +70\.0 \|$/m);
  });

  test("the peer's line is read, and one that is no such line refused", () => {
    expect(
      peerFigure('torch 2.13.0 hidden=1500 density=0.33 ms_per_step=1448.1 tokens_per_s=483 peak_memory_mb=1430\n'),
    ).toEqual({
      ms: 1448.1,
      peakMb: 1430,
    });
    expect(() => peerFigure('torch 2.13.0 hidden=1500')).toThrow('has not said its ms_per_step');
  });
});

describe('fidelity', () => {
  const run = (method: Outcome['method'], seed: number, ...validation: number[]): Outcome => ({
    ...{ method, seed, validation, test: 300 },
  });

  test('sparse methods are judged by their last epoch, dense by its best', () => {
    expect(figureOf(run('static', 1, 700, 350, 360))).toBe(360);
    expect(figureOf(run('dense', 1, 700, 318, 330))).toBe(318);
  });

  test('the mean over seeds must lie within the tolerance, on either side', () => {
    const published = (360.6 + 355.5 + 367.6) / 3;
    const at = (factor: number) =>
      summariseMethod('static', [run('static', 1, published * factor + 9), run('static', 2, published * factor - 9)]);
    expect(at(1)).toMatchObject({ holds: true });
    expect(at(1).difference).toBeCloseTo(0, 9);
    expect([at(1.039), at(0.961), at(1.041), at(0.959)].map(({ holds }) => holds)).toEqual([true, true, false, false]);
  });

  test('tables have means, seeds with their best epoch, and curves', () => {
    const outcomes = [run('dense', 1, 400, 318.7, 330), run('dense', 7, 400, 350)];
    const text = fidelityTables(outcomes);
    expect(text).toMatch(/^\| dense, best epoch \| +319\.0 \| +334\.4 \| +\+4\.8 % \| +2 % \| \*\*missed\*\* \|$/m);
    expect(text).toMatch(/^\| dense, seed 1 \| +318\.7 \| +318\.7 \| +318\.7 \(2\) \| +300\.0 \|$/m);
    expect(text).toMatch(/^\| dense, seed 7 \| +\| +350\.0 \| +350\.0 \(2\) \|/m);
    expect(curves(outcomes)).toMatch(/^\| 3 +\| +330\.0 \| +\|$/m);
  });
});
