import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { loadAddon } from '../../src/worker/engines/native/addon.js';

const loaded = loadAddon();

/** What native/src/module.cpp computes in its self-test. */
function expected(): number[] {
  const [positions, rows, columns] = [70, 37, 29];
  const y: number[] = [];
  for (let position = 0; position < positions; position++) {
    for (let row = 0; row < rows; row++) {
      let sum = (row % 5) - 2;
      for (let column = 0; column < columns; column++) {
        if ((row + column) % 4 !== 0) continue;
        sum += (((row * 5 + column * 11) % 13) - 6) * ((((position * columns + column) * 7) % 17) - 8);
      }
      y.push(sum);
    }
  }
  return y;
}

describe('the addon', () => {
  beforeEach((context) => {
    if (loaded.addon === undefined) context.skip(`the native engine is not there: ${loaded.reason}`);
  });
  const addon = loaded.addon!;

  test('runs at least the baseline of the processor', () => {
    expect(addon.widths()[0]).toBe(process.arch === 'arm64' ? 'neon' : 'plain');
  });

  test('computes the same at every width, on any number of threads', () => {
    for (const width of addon.widths()) {
      for (const threads of [1, 2, 3, 8]) expect([...addon.selfTest(threads, width)]).toEqual(expected());
    }
    expect([...addon.selfTest(2)]).toEqual(expected());
  });

  test('refuses what it cannot do', () => {
    expect(() => addon.selfTest(0)).toThrow('number of threads');
    expect(() => addon.selfTest(1e9)).toThrow('number of threads');
    expect(() => addon.selfTest(Number.NaN)).toThrow('number of threads');
    expect(() => addon.selfTest('two' as unknown as number)).toThrow(TypeError);
    expect(() => addon.selfTest(1, process.arch === 'arm64' ? 'avx2' : 'neon')).toThrow('does not run vector width');
  });
});

describe('where there is no addon, the reason is told', () => {
  let project: string;
  beforeEach(() => {
    vi.stubEnv('SPARROW_NATIVE', undefined);
    project = mkdtempSync(join(tmpdir(), 'sparrow-addon-'));
    mkdirSync(join(project, 'native', 'build', 'Release'), { recursive: true });
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(project, { recursive: true });
  });
  const reason = () => loadAddon(project);

  test('when set-up could not build it', () => {
    writeFileSync(join(project, 'native', 'build', 'not-built.txt'), 'no make was found\n');
    expect(reason()).toEqual({ addon: undefined, reason: 'it is not built (no make was found)' });
  });

  test('when set-up has not been there', () => {
    expect(reason()).toMatchObject({ reason: expect.stringContaining('npm run build') as string });
  });

  test('when it is not an addon for this machine', () => {
    writeFileSync(join(project, 'native', 'build', 'Release', 'sparrow.node'), 'not a library');
    expect(reason()).toMatchObject({
      addon: undefined,
      reason: expect.stringMatching(/^it does not load \(.+\)$/) as string,
    });
  });

  test('when it is switched off', () => {
    vi.stubEnv('SPARROW_NATIVE', 'off');
    expect(reason()).toEqual({ addon: undefined, reason: 'SPARROW_NATIVE is off' });
  });
});
