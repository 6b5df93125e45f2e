import type { LstmAttributes } from '../../ops/lstm.js';
import { isPacked } from '../../ops/weight.js';
import * as tf from '../../tf.js';
import {
  byRows,
  byUnits,
  freshActivations,
  lanesOf,
  placeUnits,
  type Activations,
  type Window,
} from './activations.js';
import type { GpuBackend } from './backend.js';
import { lstmStep, lstmStepBack, stepLanes } from './kernels/lstm.js';
import type { Register } from './webgpu.js';
import { backward, columnsOf, forward, gradient, multiply, rowsOf, rowSums, type Lines } from './weights.js';

/** The LSTM layer: products over the window, and between them one kernel a step. */
export function registerLstm(gpu: GpuBackend, register: Register): void {
  // h of every step, last h, last c; what is kept for the way back is in the next three, and the rest is the composed op's.
  register<LstmAttributes>('SparrowLstm', (inputs, { inputWeight, recurrentWeight }) => {
    const [batch, units] = inputs['hidden'].shape;
    const window = { steps: inputs['x'].shape[0] / batch, batch };
    const one = { steps: 1, batch };
    const bias = tf.add(inputs['inputBias'], inputs['recurrentBias']);
    const input = { weight: inputWeight, values: inputs['inputValues'], bias };
    const gates = forward(gpu, input, inputs['x'], window);
    const [hidden, cells] = ['hidden', 'cell'].map((name) => {
      const states = freshActivations(gpu, units, { steps: window.steps + 1, batch });
      placeUnits(gpu, inputs[name], states, 0, one);
      return states;
    });
    const lines = isPacked(recurrentWeight) ? rowsOf(recurrentWeight, inputs['recurrentValues']) : undefined;
    const { start, index, value } = lines ?? denseLines(inputs['recurrentValues'], units);
    for (let step = 0; step < window.steps; step++) {
      gpu.dispatch(
        lstmStep,
        { start, index, value, gates: gates.tensor, hidden: hidden.tensor, cells: cells.tensor },
        ...stepOf(units, window, step, lines, 4),
      );
    }
    const nothing = Array.from({ length: 2 }, () => gpu.fresh([0]));
    const y = byRows(gpu, hidden, 1, window);
    const last = [hidden, cells].map((states) => byRows(gpu, states, window.steps, one));
    return [y, ...last, gates.tensor, hidden.tensor, cells.tensor, ...nothing];
  });

  register<LstmAttributes>('SparrowLstmGradient', (inputs, { inputWeight, recurrentWeight, recurrentFactor }) => {
    const [batch, units] = inputs['hidden'].shape;
    const window = { steps: inputs['x'].shape[0] / batch, batch };
    const one = { steps: 1, batch };
    const [gates, hidden, cells] = [3, 4, 5].map((output) => inputs[`output${output}`]);
    const dy = byUnits(gpu, inputs['gradient0'], window);
    const dHidden = byUnits(gpu, inputs['gradient1'], one);
    const dCell = byUnits(gpu, inputs['gradient2'], one);
    const dz = freshActivations(gpu, 4 * units, window);
    const values = inputs['recurrentValues'];
    const packed = isPacked(recurrentWeight) ? columnsOf(gpu, recurrentWeight, values) : undefined;
    const lines = packed ?? denseLines(tf.transpose(values), 4 * units);
    const { start, index, value } = lines;
    for (let step = window.steps - 1; step >= 0; step--) {
      gpu.dispatch(
        lstmStepBack,
        {
          ...{ start, index, value, gates, cells, dy: dy.tensor, dHidden: dHidden.tensor },
          ...{ dz: dz.tensor, dCell: dCell.tensor },
        },
        ...stepOf(units, window, step, packed, 1),
      );
    }
    const before: Activations = { tensor: hidden, units, window: { ...window, steps: window.steps + 1 } };
    const dBias = rowSums(gpu, dz);
    return [
      backward(gpu, { weight: inputWeight, values: inputs['inputValues'] }, dz),
      gradient(gpu, inputWeight, dz, inputs['x']),
      gradient(gpu, recurrentWeight, dz, byRows(gpu, before, 0, window), recurrentFactor),
      dBias,
      dBias.clone(),
      beforeFirst(gpu, dz, packed, values, one),
      byRows(gpu, dCell),
    ];
  });
}

/** The gradient of the hidden state before the first step, [batch, units]. */
function beforeFirst(
  gpu: GpuBackend,
  dz: Activations,
  lines: Lines | undefined,
  values: tf.Tensor2D,
  one: Window,
): tf.Tensor2D {
  if (lines === undefined) return tf.matMul(byRows(gpu, dz, 0, one), values);
  const dHidden = freshActivations(gpu, dz.units / 4, one);
  multiply(gpu, lines, { x: dz, y: dHidden, step: 0 });
  return byRows(gpu, dHidden);
}

/** A dense matrix of lines of one length, which need no index. */
function denseLines(values: tf.Tensor2D, length: number): Lines {
  const tensor = values;
  return { start: tensor, index: tensor, value: tensor, meanLength: length };
}

/** Numbers and workgroups of a step; a workgroup has `sums` of one unit, each of which is shared by as many threads as pay. */
function stepOf(units: number, window: Window, step: number, packed: Lines | undefined, sums: number) {
  const lanes = lanesOf(window);
  const abreast = Math.min(stepLanes, lanes);
  const length = packed?.meanLength ?? (sums === 4 ? units : 4 * units);
  const segments = Math.min(Math.floor(256 / (sums * abreast)), Math.max(1, Math.ceil(length / 64)));
  return [
    { units, lanes, steps: window.steps, step, abreast, segments, packed: packed === undefined ? 0 : 1 },
    { groups: units * Math.ceil(lanes / abreast), threads: sums * segments * abreast },
  ] as const;
}
