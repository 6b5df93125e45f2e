import { defineKernel } from '../kernel.js';

/** Lanes that a workgroup of `product` goes through at a time, at most. */
export const productLanes = 32;

export const productThreads = 64;

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
  threads: productThreads,
  body: `
    let blocks = (params.lanes + params.abreast - 1u) / params.abreast;
    let rowsAbreast = threads / params.abreast;
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
    let i = group * threads + local;
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
    let i = group * threads + local;
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
  outside: 'var<workgroup> part: array<vec4f, threads>;',
  body: `
    var sum = vec4f();
    for (var lane = local; lane < params.lanes; lane += threads) { sum += units[group * params.lanes + lane]; }
    part[local] = sum;
    for (var half = threads / 2u; half > 0u; half /= 2u) {
      workgroupBarrier();
      if (local < half) { part[local] += part[local + half]; }
    }
    if (local == 0u) { sums[group] = dot(part[0], vec4f(1.0)); }`,
});

/**
 * Squared norm of a whole gradient dyᵀ x, inactive weights included, of which no more is ever there than the squares that workgroups are
 * at: each makes 16 weights a thread, 64 times 64 of them for 256 threads, and keeps the sum of their squares.
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
    const deep = 16u;
    const side = 4u * u32(sqrt(f32(threads)));
    var<workgroup> ofRows: array<f32, deep * side>;
    var<workgroup> ofColumns: array<f32, deep * side>;
    var<workgroup> part: array<f32, threads>;`,
  body: `
    let across = (params.columns + side - 1u) / side;
    let firstRow = group / across * side;
    let firstColumn = group % across * side;
    let row = local / (side / 4u) * 4u;
    let column = local % (side / 4u) * 4u;
    var weights: array<vec4f, 4>;
    for (var first = 0u; first < params.positions; first += deep) {
      for (var i = local; i < deep * side; i += threads) {
        let position = first + i / side;
        let at = position / params.batch * params.padded + position % params.batch;
        let r = firstRow + i % side;
        let c = firstColumn + i % side;
        var ofRow = 0.0;
        var ofColumn = 0.0;
        if (position < params.positions && r < params.rows) { ofRow = dy[r * params.stride + at]; }
        if (position < params.positions && c < params.columns) { ofColumn = x[position * params.columns + c]; }
        ofRows[i] = ofRow;
        ofColumns[i] = ofColumn;
      }
      workgroupBarrier();
      for (var k = 0u; k < deep * side; k += side) {
        let at = k + column;
        let columns = vec4f(ofColumns[at], ofColumns[at + 1u], ofColumns[at + 2u], ofColumns[at + 3u]);
        for (var r = 0u; r < 4u; r++) { weights[r] += ofRows[k + row + r] * columns; }
      }
      workgroupBarrier();
    }
    var sum = 0.0;
    for (var r = 0u; r < 4u; r++) { sum += dot(weights[r], weights[r]); }
    part[local] = sum;
    for (var half = threads / 2u; half > 0u; half /= 2u) {
      workgroupBarrier();
      if (local < half) { part[local] += part[local + half]; }
    }
    if (local == 0u) { sums[group] = part[0]; }`,
});
