import type { RunView } from '../contract/contract.js';
import { differences, type RunConfig } from '../run-config.js';

/**
 * The run that belongs to a row: the one with its configuration, whatever it is called and wherever it is computed. Tables
 * that ask for the same run share it. Of several it is a finished one, or else the newest; never one in the trash. A run of a
 * version that did not have a field yet has its default.
 */
export function runOf(config: RunConfig, views: readonly RunView[]): RunView | undefined {
  const fitting = views.filter(({ record }) => record.trashed === null && isSame(record.config, config));
  return fitting.find(({ state }) => state.state === 'finished') ?? fitting.at(-1);
}

/** The newest in the trash that would belong to it. */
export function trashedRunOf(config: RunConfig, views: readonly RunView[]): RunView | undefined {
  return views.findLast(({ record }) => record.trashed !== null && isSame(record.config, config));
}

function isSame(a: RunConfig, b: RunConfig): boolean {
  // Most runs differ in what is cheap to compare.
  if (a.seed !== b.seed || a.method.kind !== b.method.kind || a.corpus.name !== b.corpus.name) return false;
  return differences(a, b).every(({ field }) => field === 'name' || field.startsWith('device.'));
}

/** What is to be done about a run so that it will be finished. */
export type Task = 'create' | 'resume' | 'nothing';

export function taskFor(view: RunView | undefined): Task {
  switch (view?.state.state) {
    case undefined:
      return 'create';
    case 'stopped':
    case 'interrupted':
    case 'failed':
      return 'resume';
    default:
      return 'nothing';
  }
}
