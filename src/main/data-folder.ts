import { accessSync, chmodSync, constants, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import envPaths from 'env-paths';
import { codeOf, messageOf, UserError } from '../shared/errors.js';

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
    closeToOthers(folder);
    accessSync(folder, constants.W_OK);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `cannot write to the data folder ${folder}: ${messageOf(error)}. Set SPARROW_HOME to another folder`,
    );
  }
}

/** As mkdir -p, which never ends in Node where a folder above takes none, as below /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Another first command may have been faster. That it is a folder shows when it is used.
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

/** What makes a folder one of ours. */
const ownFiles = ['sparrow.db', 'owner.lock', 'runs', 'corpora'];

/**
 * A folder that others can enter is made private where it is our user's and nobody else's business: it is empty, or Sparrow
 * has been there. Any other, such as a home folder or a shared disk, is not ours to change.
 * @throws UserError
 */
function closeToOthers(folder: string): void {
  if (process.platform === 'win32') return; // there permissions come with the user's profile
  const { mode, uid } = statSync(folder);
  if ((mode & 0o077) === 0) return;
  const files = readdirSync(folder);
  const ours = files.length === 0 || ownFiles.some((name) => files.includes(name));
  if (uid === process.getuid?.() && ours) {
    chmodSync(folder, 0o700);
    return;
  }
  throw new UserError(
    `others can enter the data folder ${folder}, and it is not Sparrow's alone: set SPARROW_HOME to a folder of its own, ` +
      'or run "chmod 700" on this one',
  );
}
