import { defineKernel } from '../kernel.js';

/**
 * Kernels go through activations as [units][steps * lanes], a lane being four streams of a step: what an active weight is multiplied with then
 * lies together. Streams that the last lane of a step has too many are 0. Outside, activations are [positions, units], step by step.
 */

/** rows [positions][unitCount] -> units [unitCount][stride], `width` numbers of each from `offset` on */
export const toUnits = defineKernel({
  name: 'toUnits',
  read: { rows: 'f32' },
  write: { units: 'f32' },
  params: { unitCount: 'u32', batch: 'u32', padded: 'u32', width: 'u32', stride: 'u32', offset: 'u32' },
  threads: 64,
  body: `
    let i = group * threads + local;
    if (i >= params.unitCount * params.width) { return; }
    let unit = i / params.width;
    let at = i % params.width;
    let stream = at % params.padded;
    var number = 0.0;
    if (stream < params.batch) { number = rows[(at / params.padded * params.batch + stream) * params.unitCount + unit]; }
    units[unit * params.stride + params.offset + at] = number;`,
});

/** The inverse, of `positions`. */
export const toRows = defineKernel({
  name: 'toRows',
  read: { units: 'f32' },
  write: { rows: 'f32' },
  params: { unitCount: 'u32', batch: 'u32', padded: 'u32', positions: 'u32', stride: 'u32', offset: 'u32' },
  threads: 64,
  body: `
    let i = group * threads + local;
    if (i >= params.unitCount * params.positions) { return; }
    let unit = i % params.unitCount;
    let position = i / params.unitCount;
    let at = position / params.batch * params.padded + position % params.batch;
    rows[i] = units[unit * params.stride + params.offset + at];`,
});
