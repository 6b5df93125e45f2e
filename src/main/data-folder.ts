import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import envPaths from 'env-paths';
import { messageOf, UserError } from '../shared/errors.js';

/**
 * Where Sparrow keeps runs and corpora: the folder named by SPARROW_HOME, or the one the platform has for such things.
 */
export function dataFolder(): string {
  const named = process.env['SPARROW_HOME'];
  return named !== undefined && named !== '' ? named : envPaths('sparrow', { suffix: '' }).data;
}

export function runsFolder(): string {
  return join(dataFolder(), 'runs');
}

export function databaseFile(): string {
  return join(dataFolder(), 'sparrow.db');
}

export function corporaFolder(): string {
  return join(dataFolder(), 'corpora');
}

/**
 * Makes sure that the data folder is there, for its owner alone, and can be written.
 * @throws UserError where it cannot
 */
export function prepareDataFolder(): void {
  const folder = dataFolder();
  try {
    makeFolder(resolve(folder));
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw new UserError(
      `cannot write to the data folder ${folder}: ${messageOf(error)}. Set SPARROW_HOME to another folder`,
    );
  }
}

/** As mkdir -p, which never ends in Node where a folder above takes none, as below /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}
