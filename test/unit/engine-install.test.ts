import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { beforeEach, expect, test, vi } from 'vitest';
import {
  installTensorflow,
  presentTensorflow,
  removeTensorflow,
  type Installer,
} from '../../src/main/engines/install-tensorflow.js';
import { tensorflowWheels } from '../../src/main/engines/wheels.js';
import { UserError } from '../../src/shared/errors.js';
import type { EngineReport } from '../../src/shared/run-events.js';
import { startServer, type Answer } from './support/server.js';
import { temporaryFolder } from './support/temp-folder.js';

let engines: string;

beforeEach(() => {
  engines = join(temporaryFolder(), 'engines');
  vi.stubEnv('SPARROW_ENGINES', engines);
  return () => {
    vi.unstubAllEnvs();
  };
});

/** A zip archive of files that are stored as they are. */
function zip(files: Readonly<Record<string, string>>): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(content.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(name.length, 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), Buffer.from(content)]);
    directory.push(Buffer.from('PK\x01\x02\x14\x00'), common, place, Buffer.from(name));
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(parts.length, 4);
  end.writeUInt16LE(parts.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, central, Buffer.from('PK\x05\x06'), end]);
}

const content = zip({
  'tensorflow/libtensorflow_cc.so.2': 'library',
  'tensorflow/include/tensorflow/c/c_api.h': 'header',
  'tensorflow/python/keras.py': 'not wanted',
  'tensorflow_cpu-9.9.0.dist-info/METADATA': 'licence',
});
const file = 'tensorflow_cpu-9.9.0-cp311-cp311-manylinux_2_27_x86_64.whl';
const wheel = {
  project: 'tensorflow-cpu',
  version: '9.9.0',
  file,
  sha256: createHash('sha256').update(content).digest('hex'),
};

/** An index with the wheel, as the real one answers. @param serve sends the file */
function index(serve: Answer = (_, response) => void response.end(content)): Promise<string> {
  return startServer((request, response) => {
    if (request.url === `/files/${file}`) return serve(request, response);
    if (request.url !== '/tensorflow-cpu/') return void response.writeHead(404).end();
    response.end(JSON.stringify({ files: [{ filename: file, url: `../files/${file}` }] }));
  });
}

const works: EngineReport = {
  name: 'tensorflow',
  works: true,
  detail: 'TensorFlow 9.9.0',
  device: { id: 'cpu', kind: 'cpu', name: 'a processor', memory: null, driver: null },
  devices: [],
};

function installer(address: string, changes: Partial<Installer> = {}): Installer {
  return {
    platform: 'linux-x64',
    wheels: () => [wheel],
    sources: { pythons: [], index: address },
    tools: {
      check: () => undefined,
      version: () => '4.22.0',
      build: (folder) => {
        expect(readFileSync(join(folder, 'tensorflow/include/tensorflow/c/c_api.h'), 'utf8')).toBe('header');
        mkdirSync(join(folder, 'binding'));
        writeFileSync(join(folder, 'binding/tfjs_binding.node'), 'binding');
        return Promise.resolve();
      },
    },
    attempt: (folder) => {
      expect(existsSync(join(folder, 'tensorflow/installed.json'))).toBe(true);
      return Promise.resolve(works);
    },
    ...changes,
  };
}

const quietly = () => ({ say: () => undefined, signal: new AbortController().signal });
const install = (how: Installer) => installTensorflow(false, how, quietly());
const contents = () => (existsSync(engines) ? readdirSync(engines) : []);

test('libraries, binding and licence are there when it is done, and gone when it is removed', async () => {
  const { record } = await install(installer(await index()));
  expect(record).toEqual({
    ...{ version: '9.9.0', gpu: false, tfjs: '4.22.0' },
    wheels: [{ file, sha256: wheel.sha256 }],
  });
  expect(presentTensorflow()).toEqual({ record, folder: join(engines, 'tensorflow') });
  expect(readdirSync(join(engines, 'tensorflow'), { recursive: true }).sort()).toEqual([
    'binding',
    'binding/tfjs_binding.node',
    'installed.json',
    'tensorflow',
    'tensorflow/libtensorflow_cc.so.2',
    'tensorflow_cpu-9.9.0.dist-info',
    'tensorflow_cpu-9.9.0.dist-info/METADATA',
  ]);
  expect(contents()).toEqual(['tensorflow']);
  expect(removeTensorflow()).toBe(true);
  expect(presentTensorflow()).toBeUndefined();
  expect(contents()).toEqual([]);
  expect(removeTensorflow()).toBe(false);
});

test('a wheel that is not the pinned one is refused, and nothing is left of it', async () => {
  const address = await index((_, response) => void response.end(zip({ 'tensorflow/libtensorflow_cc.so.2': 'evil' })));
  await expect(install(installer(address))).rejects.toThrow(/its SHA-256 is [0-9a-f]{64}, expected [0-9a-f]{64}/);
  expect(contents()).toEqual([]);
});

test('a platform for which none is pinned is refused before anything is asked for', async () => {
  for (const platform of ['win32-x64', 'darwin-arm64', 'linux-arm64', 'linux-riscv64']) {
    const how = installer('http://127.0.0.1:1/', { platform, wheels: tensorflowWheels });
    await expect(install(how)).rejects.toThrow(`no TensorFlow is known to work on ${platform}`);
  }
  expect(contents()).toEqual([]);
});

test('what is pinned are files of the package index with their hashes', () => {
  for (const gpu of [false, true]) {
    const wheels = tensorflowWheels('linux-x64', gpu)!;
    expect(new Set(wheels.map(({ sha256 }) => sha256)).size).toBe(wheels.length);
    for (const { project, version, file: name, sha256 } of wheels) {
      expect(name.startsWith(`${project.replaceAll('-', '_')}-${version}-`), name).toBe(true);
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    }
  }
});

test('an index without the wheel is told', async () => {
  const address = await startServer((_, response) => void response.end(JSON.stringify({ files: [] })));
  await expect(install(installer(address))).rejects.toThrow(`does not list ${file}`);
  expect(contents()).toEqual([]);
});

test('a build or a trial that fails leaves what was installed before', async () => {
  const address = await index();
  const { record } = await install(installer(address));
  const build = () => Promise.reject(new UserError('it does not compile'));
  const { tools } = installer(address);
  await expect(install(installer(address, { tools: { ...tools, build } }))).rejects.toThrow('it does not compile');
  const attempt = () => Promise.resolve({ ...works, works: false, detail: 'it computes wrong products' });
  await expect(install(installer(address, { attempt }))).rejects.toThrow(
    'does not work here: it computes wrong products',
  );
  expect(presentTensorflow()?.record).toEqual(record);
  expect(contents()).toEqual(['tensorflow']);
});

test('an installation that is interrupted leaves nothing', async () => {
  const controller = new AbortController();
  const address = await index((_, response) => {
    response.writeHead(200, { 'content-length': content.length });
    response.write(content.subarray(0, 10));
    setImmediate(() => {
      controller.abort();
    });
  });
  const interrupted = installTensorflow(false, installer(address), { say: () => undefined, signal: controller.signal });
  await expect(interrupted).rejects.toThrow(/abort/i);
  expect(contents()).toEqual([]);
});

test('what an installation that was killed has left is gone with the next one', async () => {
  mkdirSync(join(engines, '.installing-1/tensorflow'), { recursive: true });
  await install(installer(await index()));
  expect(contents()).toEqual(['tensorflow']);
});

test.skipIf(process.platform === 'win32')('pip is asked first, and what it brings is checked, too', async () => {
  const folder = temporaryFolder();
  const python = join(folder, 'python');
  const brought = join(folder, 'brought.whl');
  writeFileSync(
    python,
    `#!/bin/sh
echo "$@" > ${folder}/asked
while [ "$1" != --dest ]; do shift; done
cp ${brought} "$2/${file}"
`,
    { mode: 0o755 },
  );
  const how = installer('http://127.0.0.1:1/', { sources: { pythons: [python], index: 'http://127.0.0.1:1/' } });
  writeFileSync(brought, content);
  await install(how);
  const asked = readFileSync(join(folder, 'asked'), 'utf8');
  expect(asked).toContain('-m pip download');
  expect(asked).toContain('--no-deps');
  expect(asked).toContain('--python-version 3.11 --abi cp311 --platform manylinux_2_27_x86_64');
  expect(asked).toContain('tensorflow-cpu==9.9.0');
  writeFileSync(brought, 'something else');
  await expect(install(how)).rejects.toThrow('is not what Sparrow was tested with');
  expect(presentTensorflow()?.record.version).toBe('9.9.0');
});
