import { defineKernel } from '../kernel.js';

/**
 * A step of an LSTM layer, forward and backward: the product with the hidden state and all that a unit does with it, in one. A workgroup has one
 * unit and at most 16 lanes of its streams; `segments` threads share each sum. All activations are by units; h and c have one
 * step more than there are, the state before the first at 0. Equations: ops/lstm.ts.
 */

/** Lanes of a workgroup at most: with four gates of four threads each they are 256. */
export const stepLanes = 16;

const functions = `
    var<workgroup> part: array<vec4f, threads>;
    // Beyond these bounds both are what they are there, to the last bit, and no exponential leaves the numbers.
    fn logistic(x: vec4f) -> vec4f { return 1.0 / (1.0 + exp(-clamp(x, vec4f(-80.0), vec4f(80.0)))); }
    fn squash(x: vec4f) -> vec4f { return tanh(clamp(x, vec4f(-15.0), vec4f(15.0))); }`;

const shape = {
  ...({ units: 'u32', lanes: 'u32', steps: 'u32', step: 'u32' } as const),
  ...({ abreast: 'u32', segments: 'u32', packed: 'u32' } as const),
};

/** Unit and lane of a thread, and its share of a sum: `part` of `parts`. */
const places = `
    let blocks = (params.lanes + params.abreast - 1u) / params.abreast;
    let unit = group / blocks;
    let lane = group % blocks * params.abreast + local % params.abreast;
    let share = local / params.abreast;
    let width = params.steps * params.lanes;
    let now = params.step * params.lanes + lane;`;

/** gates: what came from the input, and afterwards i, f, g and o. Weights are 4 * units rows of compressed rows, or dense ones. */
export const lstmStep = defineKernel({
  name: 'lstmStep',
  read: { start: 'u32', index: 'u32', value: 'f32' },
  write: { gates: 'vec4f', hidden: 'vec4f', cells: 'vec4f' },
  params: shape,
  threads: 256,
  outside: functions,
  body: `${places}
    let stateWidth = width + params.lanes;
    let gate = share % 4u;
    var sum = vec4f();
    if (share < 4u * params.segments && lane < params.lanes) {
      let row = gate * params.units + unit;
      var first = row * params.units;
      var end = first + params.units;
      if (params.packed == 1u) {
        first = start[row];
        end = start[row + 1u];
      }
      for (var i = first + share / 4u; i < end; i += params.segments) {
        var other = i - first;
        if (params.packed == 1u) { other = index[i]; }
        sum += value[i] * hidden[other * stateWidth + now];
      }
    }
    part[local] = sum;
    workgroupBarrier();
    if (share > 0u || lane >= params.lanes) { return; }
    var z: array<vec4f, 4>;
    for (var k = 0u; k < 4u; k++) {
      z[k] = gates[(k * params.units + unit) * width + now];
      for (var s = 0u; s < params.segments; s++) { z[k] += part[(s * 4u + k) * params.abreast + local]; }
    }
    let i = logistic(z[0]);
    let f = logistic(z[1]);
    let g = squash(z[2]);
    let o = logistic(z[3]);
    let at = unit * stateWidth + now;
    let c = f * cells[at] + i * g;
    cells[at + params.lanes] = c;
    hidden[at + params.lanes] = o * squash(c);
    gates[unit * width + now] = i;
    gates[(params.units + unit) * width + now] = f;
    gates[(2u * params.units + unit) * width + now] = g;
    gates[(3u * params.units + unit) * width + now] = o;`,
});

/**
 * dz of a step from that of the next. Weights are by columns: units lines of compressed columns, or of the dense transposed
 * matrix. dCell is of the step after, and afterwards of the step before.
 */
export const lstmStepBack = defineKernel({
  name: 'lstmStepBack',
  read: {
    ...({ start: 'u32', index: 'u32', value: 'f32', gates: 'vec4f', cells: 'vec4f' } as const),
    ...({ dy: 'vec4f', dHidden: 'vec4f' } as const),
  },
  write: { dz: 'vec4f', dCell: 'vec4f' },
  params: shape,
  threads: 256,
  outside: functions,
  body: `${places}
    let last = params.step + 1u == params.steps;
    var sum = vec4f();
    if (share < params.segments && lane < params.lanes && !last) {
      var first = unit * 4u * params.units;
      var end = first + 4u * params.units;
      if (params.packed == 1u) {
        first = start[unit];
        end = start[unit + 1u];
      }
      for (var i = first + share; i < end; i += params.segments) {
        var other = i - first;
        if (params.packed == 1u) { other = index[i]; }
        sum += value[i] * dz[other * width + now + params.lanes];
      }
    }
    part[local] = sum;
    workgroupBarrier();
    if (share > 0u || lane >= params.lanes) { return; }
    var dh = dy[unit * width + now];
    if (last) { dh += dHidden[unit * params.lanes + lane]; }
    for (var s = 0u; s < params.segments; s++) { dh += part[s * params.abreast + local]; }
    let i = gates[unit * width + now];
    let f = gates[(params.units + unit) * width + now];
    let g = gates[(2u * params.units + unit) * width + now];
    let o = gates[(3u * params.units + unit) * width + now];
    let at = unit * (width + params.lanes) + now;
    let squashed = squash(cells[at + params.lanes]);
    let dc = dCell[unit * params.lanes + lane] + dh * o * (1.0 - squashed * squashed);
    dz[unit * width + now] = dc * g * i * (1.0 - i);
    dz[(params.units + unit) * width + now] = dc * cells[at] * f * (1.0 - f);
    dz[(2u * params.units + unit) * width + now] = dc * i * (1.0 - g * g);
    dz[(3u * params.units + unit) * width + now] = dh * squashed * o * (1.0 - o);
    dCell[unit * params.lanes + lane] = dc * f;`,
});
