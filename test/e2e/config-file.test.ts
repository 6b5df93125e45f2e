import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Home, sparrow } from '../support/sparrow.js';

const home = new Home();
afterAll(() => {
  home.remove();
});

function configFile(name: string, content: string | Buffer): string {
  const file = join(home.path, name);
  writeFileSync(file, content);
  return file;
}

test.each([
  ['a comment', '{\n  // the smallest\n  "model": { "hidden": 8 }\n}\n'],
  ['a trailing comma', '{\n  "model": {\n    "hidden": 8,\n  }\n}\n'],
  ['an end that is missing', '{\n  "model": {\n'],
  ['nothing', ''],
])('a configuration file with %s is refused in one line that names it and the remedy', async (_, content) => {
  const file = configFile('wrong.json', content);
  const { status, stdout, stderr } = await sparrow(home, ['train', '--config', file]);
  expect(stderr).toMatch(/^sparrow: cannot read the configuration [^\n]+\n$/);
  expect(stderr).toContain(`${file}: `);
  expect(stderr).toContain('it must be JSON: no comments, no trailing commas');
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
});

test('a configuration file may begin with a byte order mark', async () => {
  const config = {
    name: 'marked',
    model: { embedding: 8, hidden: 8, layers: 1 },
    corpus: { vocabulary: 100, tokens: 1000 },
    training: { epochs: 1, batch: 5, evaluationBatch: 2, bptt: 10 },
  };
  const file = configFile('marked.json', `\uFEFF${JSON.stringify(config)}`);
  const { status, stdout } = await sparrow(home, ['train', '--config', file]);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^run +marked-1$/m);
});
