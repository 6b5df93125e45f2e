import { z } from 'zod';
import { demonstration, demonstrationTag } from '../../shared/demonstration.js';
import type { WritableStore } from '../store/store.js';
import type { Commands } from './commands.js';

const setting = 'demonstration';

/** Queues the demonstration where nobody has trained anything and it was not there before. @returns its runs, if so */
export function demonstrate(store: WritableStore, commands: Commands): string[] {
  if (store.settings.get(setting, z.literal('shown')) === 'shown') return [];
  store.settings.set(setting, 'shown');
  if (store.runs.standings().length > 0) return [];
  const ids = commands.create(demonstration, 0);
  for (const id of ids) store.runs.addTags(id, [demonstrationTag]);
  return ids;
}
