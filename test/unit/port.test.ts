import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'vite';
import { expect, test } from 'vitest';
import { temporaryFolder } from './support/temp-folder.js';

test('numbers that are not finite pass the channel of a child process as texts, which schemas read', async () => {
  const folder = temporaryFolder();
  await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      ssr: resolve(import.meta.dirname, '../../src/worker/port.ts'),
      outDir: folder,
      emptyOutDir: false,
      rolldownOptions: { output: { entryFileNames: 'port.mjs' } },
    },
    ssr: { noExternal: true },
  });
  const program = join(folder, 'child.mjs');
  writeFileSync(
    program,
    `import { openPort } from './port.mjs';
     const port = openPort(() => undefined);
     await port.send({ losses: [NaN, Infinity, -Infinity, 1.5], layer: { norm: NaN, name: 'a', none: null } });
     process.exit();`,
  );
  const [message] = (await once(fork(program, { execArgv: [], serialization: 'json' }), 'message')) as [unknown];
  expect(message).toEqual({
    losses: ['NaN', 'Infinity', '-Infinity', 1.5],
    layer: { norm: 'NaN', name: 'a', none: null },
  });
});
