import * as tf from '../tf.js';
import type { Parameter } from '../sparsity/parameter.js';
import { defineOp } from './op.js';
import { rowsOf, type LayerWeights, type UsedWeights } from './recurrent-layer.js';
import { toDense, toStored, type WeightFactor } from './weight.js';

/**
 * One LSTM layer over a whole window, with its back-propagation through time.
 *
 * S. Hochreiter, J. Schmidhuber: Long Short-Term Memory. Neural Computation 9(8), 1997; F. Gers, J. Schmidhuber,
 * F. Cummins: Learning to Forget, 2000. Gates are row blocks of both matrices, in the order input, forget, cell, output:
 *
 *     [i f g o] = W_ih x_t + b_ih + W_hh h_(t-1) + b_hh        i, f, o through the logistic function, g through tanh
 *     c_t = f c_(t-1) + i g          h_t = o tanh(c_t)
 *
 * Backwards, with dh_t the gradient from above plus that from step t + 1:
 *
 *     dc_t = dc_(t+1) f_(t+1) + dh_t o (1 - tanh²(c_t))
 *     dz   = [dc g i(1-i),  dc c_(t-1) f(1-f),  dc i (1-g²),  dh tanh(c) o(1-o)]
 *     dh_(t-1) = dz W_hh       dx_t = dz W_ih       dW_ih = Σ dzᵀ x       dW_hh = Σ dzᵀ h_(t-1)       db = Σ dz
 *
 * All that does not depend on the step before is one product over the window: only `h W_hhᵀ` and `dz W_hh` are left inside.
 */
interface Inputs {
  x: tf.Tensor2D;
  inputValues: tf.Tensor;
  recurrentValues: tf.Tensor;
  inputBias: tf.Tensor;
  recurrentBias: tf.Tensor;
  hidden: tf.Tensor2D;
  cell: tf.Tensor2D;
}

export interface LstmAttributes {
  /** [4 * hidden, inputs] */
  readonly inputWeight: Parameter;
  /** [4 * hidden, hidden] */
  readonly recurrentWeight: Parameter;
  /** What weight dropout multiplies the recurrent weights with. */
  readonly recurrentFactor: WeightFactor;
}

const run = defineOp<Inputs, LstmAttributes>({
  name: 'SparrowLstm',
  inputs: ['x', 'inputValues', 'recurrentValues', 'inputBias', 'recurrentBias', 'hidden', 'cell'],
  outputs: 8, // h of every step, last h, last c; kept for the way back, of every step: c, i, f, g, o
  forward: (inputs, { inputWeight, recurrentWeight }) => {
    const [batch, size] = inputs.hidden.shape;
    const steps = inputs.x.shape[0] / batch;
    const bias = inputs.inputBias.add(inputs.recurrentBias);
    const fromInput = tf.matMul(inputs.x, toDense(inputs.inputValues, inputWeight).transpose()).add<tf.Tensor2D>(bias);
    const recurrent = toDense(inputs.recurrentValues, recurrentWeight).transpose();

    let { hidden, cell } = inputs;
    const kept: Step[] = [];
    for (let t = 0; t < steps; t++) {
      const z = rowsOf(fromInput, t, batch).add<tf.Tensor2D>(tf.matMul(hidden, recurrent));
      const squashed = z.sigmoid();
      const i = block(squashed, 0, size);
      const f = block(squashed, 1, size);
      const g = block(z, 2, size).tanh();
      const o = block(squashed, 3, size);
      cell = f.mul<tf.Tensor2D>(cell).add(i.mul(g));
      hidden = o.mul(cell.tanh());
      kept.push({ hidden, cell, i, f, g, o });
    }
    const all = (name: keyof Step) =>
      tf.concat2d(
        kept.map((step) => step[name]),
        0,
      );
    return [all('hidden'), hidden.clone(), cell.clone(), all('cell'), all('i'), all('f'), all('g'), all('o')];
  },
  backward: ([dy, dHidden, dCell], inputs, outputs, { inputWeight, recurrentWeight, recurrentFactor }) => {
    const [y, , , cells, i, f, g, o] = outputs as readonly tf.Tensor2D[];
    const [batch] = inputs.hidden.shape;
    const steps = inputs.x.shape[0] / batch;
    const recurrent = toDense(inputs.recurrentValues, recurrentWeight);
    const before = (first: tf.Tensor2D, all: tf.Tensor2D) =>
      tf.concat2d([first, tf.slice2d(all, [0, 0], [(steps - 1) * batch, all.shape[1]])], 0);

    // Everything in dz but dc and dh, for all steps at once: [positions, 4 * size].
    const tanhCell = cells.tanh();
    const slopes = tf.concat2d(
      [
        g.mul(i).mul(tf.sub(1, i)),
        before(inputs.cell, cells).mul(f).mul(tf.sub(1, f)),
        i.mul(tf.sub(1, g.square())),
        tanhCell.mul(o).mul(tf.sub(1, o)),
      ],
      1,
    );
    const hiddenToCell = o.mul<tf.Tensor2D>(tf.sub(1, tanhCell.square()));

    let dh = dHidden as tf.Tensor2D;
    let dc = dCell as tf.Tensor2D;
    const dz: tf.Tensor2D[] = [];
    for (let t = steps - 1; t >= 0; t--) {
      dh = dh.add(rowsOf(dy as tf.Tensor2D, t, batch));
      dc = dc.add(dh.mul(rowsOf(hiddenToCell, t, batch)));
      dz[t] = tf.concat2d([dc, dc, dc, dh], 1).mul<tf.Tensor2D>(rowsOf(slopes, t, batch));
      dc = dc.mul(rowsOf(f, t, batch));
      dh = tf.matMul(dz[t], recurrent);
    }
    const dGates = tf.concat2d(dz, 0);
    const dGatesTransposed = dGates.transpose();
    const dBias = dGates.sum(0);
    return {
      x: tf.matMul(dGates, toDense(inputs.inputValues, inputWeight)),
      inputValues: toStored(tf.matMul(dGatesTransposed, inputs.x), inputWeight),
      recurrentValues: toStored(
        tf.matMul(dGatesTransposed, before(inputs.hidden, y)),
        recurrentWeight,
        recurrentFactor,
      ),
      inputBias: dBias,
      recurrentBias: dBias.clone(),
      hidden: dh,
      cell: dc,
    };
  },
});

/** What one time step leaves behind, each [batch, size]. */
type Step = Readonly<Record<'hidden' | 'cell' | 'i' | 'f' | 'g' | 'o', tf.Tensor2D>>;

/** Columns of one gate of [batch, 4 * size]. */
function block(all: tf.Tensor2D, gate: number, size: number): tf.Tensor2D {
  return tf.slice2d(all, [0, gate * size], [all.shape[0], size]);
}

/**
 * @param x [steps * batch, inputs], step by step
 * @param hidden state before the first step, [batch, hidden]
 * @param cell likewise
 * @returns the outputs [steps * batch, hidden] and the state after the last step
 */
export function lstm(
  x: tf.Tensor2D,
  weights: LayerWeights,
  used: UsedWeights,
  hidden: tf.Tensor2D,
  cell: tf.Tensor2D,
): { y: tf.Tensor2D; hidden: tf.Tensor2D; cell: tf.Tensor2D } {
  const { inputWeight, recurrentWeight, inputBias, recurrentBias } = weights;
  const [y, lastHidden, lastCell] = run(
    {
      x,
      inputValues: inputWeight.values,
      recurrentValues: used.values,
      inputBias: inputBias.values,
      recurrentBias: recurrentBias.values,
      hidden,
      cell,
    },
    { inputWeight, recurrentWeight, recurrentFactor: used.factor },
  );
  return { y: y as tf.Tensor2D, hidden: lastHidden as tf.Tensor2D, cell: lastCell as tf.Tensor2D };
}
