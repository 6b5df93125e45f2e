#!/usr/bin/env node
// The `sparrow` command: set up if need be, then the command line under a Node that is new enough.
import { runTask } from './task.mjs';

await runTask('sparrow', process.argv.slice(2));
