import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { dropAddress, newAddress } from '../../src/main/owner/endpoint.js';
import { temporaryFolder } from './support/temp-folder.js';

test.runIf(process.platform !== 'win32')('a socket has a short path, wherever data and temporary files are', () => {
  const long = join(temporaryFolder(), 'long'.repeat(30));
  mkdirSync(long);
  const runtime = temporaryFolder();
  for (const [variable, root] of [
    ['XDG_RUNTIME_DIR', runtime],
    ['TMPDIR', '/tmp'],
  ] as const) {
    vi.stubEnv('XDG_RUNTIME_DIR', long);
    vi.stubEnv('TMPDIR', long);
    if (variable === 'XDG_RUNTIME_DIR') vi.stubEnv(variable, root);
    const address = newAddress(long);
    expect(Buffer.byteLength(address)).toBeLessThanOrEqual(103);
    expect(dirname(dirname(address))).toBe(root);
    dropAddress(address);
    expect(existsSync(dirname(address))).toBe(false);
  }
  vi.unstubAllEnvs();
});
