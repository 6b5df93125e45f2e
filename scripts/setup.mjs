// Set-up: a Node that is new enough, the dependencies, the native engine, the bundles. Each part is skipped when a stamp
// says that nothing it depends on has changed, so that every command can call it and normally pays a few milliseconds.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildNative, nativeIsCurrent } from './native.mjs';
import { projectFolder, runtime, runtimeFolder } from './runtime.mjs';

const dependenciesStamp = join(projectFolder, 'node_modules', '.sparrow-setup');
const bundleStamp = join(projectFolder, 'out', '.sparrow-build');
const lockFile = join(projectFolder, '.setup.lock');
const lockPatienceMs = 10 * 60 * 1000;

/** Brings everything that running Sparrow needs and returns the path of the Node to run it with. */
export async function setUp() {
  const dependencies = fingerprint(['package.json', 'package-lock.json', '.npmrc']);
  const { path: node, present } = runtime();
  const bundled = () => isCurrent(bundleStamp, bundleFingerprint());
  if (present && isCurrent(dependenciesStamp, dependencies) && nativeIsCurrent() && bundled()) return node;
  await withLock(() => {
    if (!runtime().present) {
      say(`Node ${process.versions.node} is older than Sparrow needs: fetching Node 24`);
      npm(runtimeFolder, 'ci');
      if (!runtime().present) {
        throw new Error(`npm did not bring ${node}: install Node 24 yourself and start again`);
      }
    }
    if (!isCurrent(dependenciesStamp, dependencies)) {
      say('installing dependencies');
      npm(projectFolder, 'ci');
      writeFileSync(dependenciesStamp, dependencies);
    }
    if (!nativeIsCurrent()) buildNative(node, say);
    if (!bundled()) {
      say('building');
      build(node);
      writeFileSync(bundleStamp, bundleFingerprint());
    }
  });
  return node;
}

/** Progress of set-up goes to standard error: standard output belongs to the command that was asked for. */
function say(/** @type {string} */ text) {
  process.stderr.write(`sparrow: ${text}\n`);
}

function isCurrent(/** @type {string} */ stamp, /** @type {string} */ wanted) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;
}

function fingerprint(/** @type {string[]} */ files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(file).update(readFileSync(join(projectFolder, file)));
  return hash.digest('hex');
}

/** Names, sizes and times of every source file: enough to notice an edit, cheap enough for every start. */
function bundleFingerprint() {
  const hash = createHash('sha256');
  const visit = (/** @type {string} */ path) => {
    const stat = statSync(path);
    if (stat.isDirectory()) {
      for (const name of readdirSync(path).sort()) visit(join(path, name));
    } else {
      hash.update(`${path} ${stat.size} ${stat.mtimeMs}\n`);
    }
  };
  // Benchmarks drive the window as its tests do.
  const tests = ['test/golden', 'test/browser/support', 'test/support/process.ts'];
  for (const source of ['src', 'resources', ...tests, 'bench', 'electron.vite.config.ts', 'package-lock.json']) {
    visit(join(projectFolder, source));
  }
  return hash.digest('hex');
}

function build(/** @type {string} */ node) {
  const cli = join(projectFolder, 'node_modules', 'electron-vite', 'bin', 'electron-vite.js');
  run(node, [cli, 'build', '--logLevel', 'warn'], projectFolder);
}

function npm(/** @type {string} */ folder, /** @type {string} */ command) {
  const options = ['--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts'];
  const script = process.env['npm_execpath'];
  if (script?.endsWith('.js')) run(process.execPath, [script, command, ...options], folder);
  else run('npm', [command, ...options], folder, process.platform === 'win32');
}

/** Runs a command and shows what it said only if it failed. */
function run(/** @type {string} */ command, /** @type {string[]} */ args, /** @type {string} */ folder, shell = false) {
  const result = spawnSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    shell,
    timeout: lockPatienceMs,
    maxBuffer: 64 * 1024 * 1024,
    // The lock files here decide what is installed, whatever npm command started us.
    env: { ...process.env, npm_config_prefix: undefined, NODE_ENV: undefined },
  });
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  const reason = result.error?.message ?? `exit status ${result.status ?? result.signal}`;
  throw new Error(`set-up failed in ${folder}: ${[command, ...args].join(' ')}: ${reason}`);
}

/** Two commands started together in one fresh clone must not install on top of each other. */
async function withLock(/** @type {() => void} */ work) {
  const deadline = Date.now() + lockPatienceMs;
  mkdirSync(dirname(lockFile), { recursive: true });
  while (!takeLock()) {
    if (Date.now() > deadline) {
      throw new Error(`another set-up has held ${lockFile} for ten minutes: delete the file if none is running`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  try {
    work();
  } finally {
    rmSync(lockFile, { force: true });
  }
}

function takeLock() {
  try {
    writeFileSync(lockFile, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    const holder = lockHolder();
    if (holder > 0 && !isAlive(holder)) rmSync(lockFile, { force: true });
    return false;
  }
}

function lockHolder() {
  try {
    return Number(readFileSync(lockFile, 'utf8'));
  } catch {
    return NaN; // it has just let go
  }
}

function isAlive(/** @type {number} */ pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** The code of a system error. */
function codeOf(/** @type {unknown} */ error) {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
