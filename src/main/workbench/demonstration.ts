import { z } from 'zod';
import { demonstrationTag } from '../../shared/demonstration.js';
import { presetNamed } from '../../shared/presets.js';
import type { PartialRunConfig } from '../../shared/run-config.js';
import type { WritableStore } from '../store/store.js';
import type { Commands } from './commands.js';

const setting = 'demonstration';

/** One small LSTM on the built-in corpus: with all its weights, with a third of them, and with a third that moves. */
const demonstration: readonly PartialRunConfig[] = ['quick-dense', 'quick-static', 'quick-selfish'].map(
  (name) => presetNamed(name).config,
);

/** Queues the demonstration where nobody has trained anything and it was not there before. @returns its runs, if so */
export function demonstrate(store: WritableStore, commands: Commands): string[] {
  if (store.settings.get(setting, z.literal('shown')) === 'shown') return [];
  store.settings.set(setting, 'shown');
  if (store.runs.standings().length > 0) return [];
  const ids = commands.create(demonstration, 0);
  for (const id of ids) store.runs.addTags(id, [demonstrationTag]);
  return ids;
}
