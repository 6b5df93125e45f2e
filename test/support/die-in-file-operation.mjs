// @ts-nocheck: functions of Node are replaced by others that take less.
//
// Loaded before a trainer (node --import): kills it in the n-th of its file operations, n given by the environment. A
// write is cut in half, everything else has not yet happened.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const moment = Number(process.env.SPARROW_TEST_DIE_AT);
let done = 0;

function isTheMoment() {
  return ++done === moment;
}

function die() {
  process.kill(process.pid, 'SIGKILL');
}

if (process.argv[1]?.endsWith('trainer-process.js')) {
  const { writeSync } = fs;
  fs.writeSync = (file, bytes, offset = 0, length = bytes.length - offset, position = null) => {
    if (!isTheMoment()) return writeSync(file, bytes, offset, length, position);
    writeSync(file, bytes, offset, Math.floor(length / 2), position);
    die();
  };
  for (const name of ['fsyncSync', 'renameSync', 'rmSync', 'ftruncateSync']) {
    const original = fs[name];
    fs[name] = (...args) => {
      if (isTheMoment()) die();
      return original(...args);
    };
  }
  syncBuiltinESMExports();
}
