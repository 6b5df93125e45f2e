import { defineKernel } from '../kernel.js';

/** Lanes that a workgroup of `product` goes through at a time, at most. */
export const productLanes = 32;

/**
 * y = W x of activations by units, W in compressed rows: a thread makes one lane of one row. Backwards W is the transposed matrix,
 * in compressed columns.
 */
export const product = defineKernel({
  name: 'product',
  read: { start: 'u32', index: 'u32', value: 'f32', bias: 'f32', x: 'vec4f' },
  write: { y: 'vec4f' },
  params: {
    ...({ rows: 'u32', lanes: 'u32', abreast: 'u32', withBias: 'u32' } as const),
    ...({ xStride: 'u32', xOffset: 'u32', yStride: 'u32', yOffset: 'u32' } as const),
  },
  threads: 64,
  body: `
    let blocks = (params.lanes + params.abreast - 1u) / params.abreast;
    let rowsAbreast = 64u / params.abreast;
    let row = group / blocks * rowsAbreast + local / params.abreast;
    let lane = group % blocks * params.abreast + local % params.abreast;
    if (local / params.abreast >= rowsAbreast || row >= params.rows || lane >= params.lanes) { return; }
    var sum = vec4f();
    if (params.withBias == 1u) { sum = vec4f(bias[row]); }
    let at = params.xOffset + lane;
    for (var i = start[row]; i < start[row + 1u]; i++) { sum += value[i] * x[index[i] * params.xStride + at]; }
    y[row * params.yStride + params.yOffset + lane] = sum;`,
});

/** Values in the order of another list of their places, such as that of the columns. */
export const permute = defineKernel({
  name: 'permute',
  read: { source: 'u32', value: 'f32' },
  write: { permuted: 'f32' },
  params: { count: 'u32' },
  threads: 64,
  body: `
    let i = group * 64u + local;
    if (i < params.count) { permuted[i] = value[source[i]]; }`,
});

/** Row of entry i of compressed rows: the last that begins at or before it and is not empty. */
const rowOf = `
    fn rowOf(i: u32, rows: u32) -> u32 {
      var low = 0u;
      var high = rows;
      while (high - low > 1u) {
        let middle = (low + high) / 2u;
        if (start[middle] <= i) { low = middle; } else { high = middle; }
      }
      return low;
    }`;

/**
 * The gradient of active weights, Σ over positions of dy x: a thread makes one. Neighbours are mostly of one row and of columns that
 * lie close together, so that what they read is shared.
 *
 * dy by units, x [positions][columns]
 */
export const weightGradient = defineKernel({
  name: 'weightGradient',
  read: { start: 'u32', index: 'u32', dy: 'f32', x: 'f32' },
  write: { gradient: 'f32' },
  params: { rows: 'u32', columns: 'u32', count: 'u32', steps: 'u32', batch: 'u32', padded: 'u32' },
  threads: 64,
  outside: rowOf,
  body: `
    let i = group * 64u + local;
    if (i >= params.count) { return; }
    let column = index[i];
    let ofRow = rowOf(i, params.rows) * params.steps * params.padded;
    var sum = 0.0;
    for (var step = 0u; step < params.steps; step++) {
      for (var stream = 0u; stream < params.batch; stream++) {
        sum += dy[ofRow + step * params.padded + stream] * x[(step * params.batch + stream) * params.columns + column];
      }
    }
    gradient[i] = sum;`,
});

/** Sum of each row of activations by units: a gradient of biases. One workgroup a row. */
export const rowSums = defineKernel({
  name: 'rowSums',
  read: { units: 'vec4f' },
  write: { sums: 'f32' },
  params: { lanes: 'u32' },
  threads: 64,
  outside: 'var<workgroup> part: array<vec4f, 64>;',
  body: `
    var sum = vec4f();
    for (var lane = local; lane < params.lanes; lane += 64u) { sum += units[group * params.lanes + lane]; }
    part[local] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
      workgroupBarrier();
      if (local < half) { part[local] += part[local + half]; }
    }
    if (local == 0u) { sums[group] = dot(part[0], vec4f(1.0)); }`,
});

/**
 * Squared norm of a whole gradient dyᵀ x, inactive weights included, of which no more is ever there than the squares that workgroups are
 * at: each makes 64 times 64 weights, 16 a thread, and keeps the sum of their squares.
 *
 * dy by units, x [positions][columns]
 */
export const wholeNorm = defineKernel({
  name: 'wholeNorm',
  read: { dy: 'f32', x: 'f32' },
  write: { sums: 'f32' },
  params: { rows: 'u32', columns: 'u32', positions: 'u32', batch: 'u32', padded: 'u32', stride: 'u32' },
  threads: 256,
  outside: `
    var<workgroup> ofRows: array<array<f32, 64>, 16>;
    var<workgroup> ofColumns: array<array<f32, 64>, 16>;
    var<workgroup> part: array<f32, 256>;`,
  body: `
    let across = (params.columns + 63u) / 64u;
    let firstRow = group / across * 64u;
    let firstColumn = group % across * 64u;
    let row = local / 16u * 4u;
    let column = local % 16u * 4u;
    var weights: array<vec4f, 4>;
    for (var first = 0u; first < params.positions; first += 16u) {
      for (var i = local; i < 1024u; i += 256u) {
        let position = first + i / 64u;
        let at = position / params.batch * params.padded + position % params.batch;
        let r = firstRow + i % 64u;
        let c = firstColumn + i % 64u;
        var ofRow = 0.0;
        var ofColumn = 0.0;
        if (position < params.positions && r < params.rows) { ofRow = dy[r * params.stride + at]; }
        if (position < params.positions && c < params.columns) { ofColumn = x[position * params.columns + c]; }
        ofRows[i / 64u][i % 64u] = ofRow;
        ofColumns[i / 64u][i % 64u] = ofColumn;
      }
      workgroupBarrier();
      for (var k = 0u; k < 16u; k++) {
        let columns = vec4f(
          ofColumns[k][column], ofColumns[k][column + 1u], ofColumns[k][column + 2u], ofColumns[k][column + 3u]);
        for (var r = 0u; r < 4u; r++) { weights[r] += ofRows[k][row + r] * columns; }
      }
      workgroupBarrier();
    }
    var sum = 0.0;
    for (var r = 0u; r < 4u; r++) { sum += dot(weights[r], weights[r]); }
    part[local] = sum;
    for (var half = 128u; half > 0u; half /= 2u) {
      workgroupBarrier();
      if (local < half) { part[local] += part[local + half]; }
    }
    if (local == 0u) { sums[group] = part[0]; }`,
});
