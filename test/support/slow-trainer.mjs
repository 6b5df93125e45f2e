// @ts-nocheck: a function of Node is replaced by one that takes less.
//
// Loaded before a trainer (node --import): makes each of its steps take a while, so that a test which must interrupt it
// comes in time on any machine. What it computes stays the same.
import timers from 'node:timers/promises';
import { syncBuiltinESMExports } from 'node:module';

if (process.argv[1]?.endsWith('trainer-process.js')) {
  const { setTimeout } = timers;
  timers.setImmediate = () => setTimeout(Number(process.env.SPARROW_TEST_STEP_MS));
  syncBuiltinESMExports();
}
