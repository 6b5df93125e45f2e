import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { RunEvent } from '../../../src/shared/run-events.js';
import { MaskLog } from '../../../src/worker/storage/masks.js';
import { randomPattern } from './numerics.js';

/** The matrices of a stacked LSTM with word vectors of 3, one layer of 4 units and 7 words. */
const layers = [
  { name: 'embedding.weight', rows: 7, columns: 3 },
  { name: 'lstm.0.weight_ih', rows: 16, columns: 3 },
  { name: 'lstm.0.weight_hh', rows: 16, columns: 4 },
  { name: 'decoder.weight', rows: 7, columns: 4 },
];

/**
 * Writes masks of a small run, each drawn with a seed.
 * @returns what it would tell of them: an update every ten steps
 */
export function withMasks(folder: string, seeds: readonly number[]): RunEvent[] {
  const masks = seeds.map((seed) =>
    layers.map(({ rows, columns }, i) => randomPattern(10 * seed + i, rows, columns, 0.5)),
  );
  mkdirSync(folder, { recursive: true });
  const log = MaskLog.create(
    join(folder, 'masks.bin'),
    layers.map(({ name }) => name),
    masks[0],
  );
  for (const patterns of masks.slice(1)) log.append(patterns);
  return masks.map((patterns, update) => ({
    type: 'sparsity',
    ...{ step: 10 * update, epoch: update, update, removingRate: 0.5 },
    layers: patterns.map(({ count, size }, i) => ({
      name: layers[i].name,
      ...{ active: count, removed: 0, grown: 0 },
      gates: [{ name: 'all', size, active: count, removed: 0, grown: 0 }],
    })),
  }));
}
