import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { messageOf } from '../../../shared/errors.js';

/** Vector instructions that kernels are compiled for. */
type Width = 'plain' | 'neon' | 'avx2' | 'avx512';

/** What native/src/module.cpp exports. */
interface NativeAddon {
  /** The widths that this machine runs; the last is the fastest. */
  widths(): Width[];
  /** A small sparse product, [70, 37], through the kernels of a width (the fastest unless told) on some threads. */
  selfTest(threads: number, width?: Width): Float32Array;
}

/** The addon, or why there is none. */
type Loaded = { readonly addon: NativeAddon } | { readonly addon: undefined; readonly reason: string };

/** Loads the addon that set-up has built (scripts/native.mjs), if it could. */
export function loadAddon(project = projectFolder()): Loaded {
  if (process.env['SPARROW_NATIVE'] === 'off') return { addon: undefined, reason: 'SPARROW_NATIVE is off' };
  const build = join(project, 'native', 'build');
  const path = join(build, 'Release', 'sparrow.node');
  if (!existsSync(path)) return { addon: undefined, reason: `it is not built (${reasonOf(build)})` };
  try {
    // Not an import: the bundler must leave it where it is, and what it was linked with may be missing here.
    return { addon: createRequire(import.meta.url)(path) as NativeAddon };
  } catch (error) {
    return { addon: undefined, reason: `it does not load (${messageOf(error).split('\n')[0]})` };
  }
}

function reasonOf(build: string): string {
  const file = join(build, 'not-built.txt');
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : 'set-up has not tried: run "npm run build"';
}

/** The bundle and the sources lie at different depths below it. */
function projectFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) {
    const above = dirname(folder);
    if (above === folder) throw new Error(`no package.json above ${import.meta.dirname}`);
    folder = above;
  }
  return folder;
}
