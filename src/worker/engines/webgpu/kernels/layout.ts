import { defineKernel } from '../kernel.js';

/**
 * Kernels go through activations as [units][steps * lanes], a lane being four streams of a step: what an active weight is multiplied with then
 * lies together. Streams that the last lane of a step has too many are 0. Outside, activations are [positions, units], step by step.
 *
 * Both directions go by squares of 16 times 16, so that either side is read and written along its rows.
 */
const square = 'var<workgroup> square: array<f32, 272>;'; // 17 to a row: its columns lie in different banks

/** Where a thread stands on either side: `from` and `to` are along the streams, `padded` of them to a step. */
const places = `
    let across = (params.unitCount + 15u) / 16u;
    let firstUnit = (group % across) * 16u;
    let first = (group / across) * 16u;
    let row = local / 16u;
    let column = local % 16u;`;

/** rows [positions][unitCount] -> units [unitCount][stride], `width` numbers of each from `offset` on */
export const toUnits = defineKernel({
  name: 'toUnits',
  read: { rows: 'f32' },
  write: { units: 'f32' },
  params: { unitCount: 'u32', batch: 'u32', padded: 'u32', width: 'u32', stride: 'u32', offset: 'u32' },
  threads: 256,
  outside: square,
  body: `${places}
    let at = first + row;
    let stream = at % params.padded;
    var number = 0.0;
    if (firstUnit + column < params.unitCount && at < params.width && stream < params.batch) {
      number = rows[(at / params.padded * params.batch + stream) * params.unitCount + firstUnit + column];
    }
    square[row * 17u + column] = number;
    workgroupBarrier();
    if (firstUnit + row < params.unitCount && first + column < params.width) {
      units[(firstUnit + row) * params.stride + params.offset + first + column] = square[column * 17u + row];
    }`,
});

/** The inverse. */
export const toRows = defineKernel({
  name: 'toRows',
  read: { units: 'f32' },
  write: { rows: 'f32' },
  params: { unitCount: 'u32', batch: 'u32', padded: 'u32', width: 'u32', stride: 'u32', offset: 'u32' },
  threads: 256,
  outside: square,
  body: `${places}
    if (firstUnit + row < params.unitCount && first + column < params.width) {
      square[column * 17u + row] = units[(firstUnit + row) * params.stride + params.offset + first + column];
    }
    workgroupBarrier();
    let at = first + row;
    let stream = at % params.padded;
    if (firstUnit + column < params.unitCount && at < params.width && stream < params.batch) {
      rows[(at / params.padded * params.batch + stream) * params.unitCount + firstUnit + column] =
        square[row * 17u + column];
    }`,
});
