import type { Parameter } from '../sparsity/parameter.js';
import * as tf from '../tf.js';
import { defineOp } from './op.js';
import { backwardProduct, forwardProduct, weightGradient, type WeightFactor } from './weight.js';

/**
 * What recurrent layers have in common: a cell goes over a whole window, step by step, and back through time. With the two
 * sums of a step, [batch, rows],
 *
 *     u_t = W_ih x_t + b_ih          v_t = W_hh h_(t-1) + b_hh
 *
 * the cell makes its next state of them and of its state before. Backwards it makes du, dv and the gradient of the state
 * before, but for what reaches h through v:
 *
 *     dh_(t-1) += dv_t W_hh      dx_t = du_t W_ih      dW_ih = Σ duᵀ x      dW_hh = Σ dvᵀ h_(t-1)      db_ih = Σ du      db_hh = Σ dv
 *
 * All that does not depend on the step before is one product over the window: only `h W_hhᵀ` and `dv W_hh` are left inside.
 */
export interface Cell {
  readonly name: string;
  /** Tensors of a state, each [batch, units]; the first is h, which is also the output. */
  readonly states: number;
  /** How many tensors a step keeps for the way back. */
  readonly kept: number;
  step(
    u: tf.Tensor2D,
    v: tf.Tensor2D,
    before: readonly tf.Tensor2D[],
    attributes: LayerAttributes,
  ): { state: tf.Tensor2D[]; kept: tf.Tensor2D[] };
  /** @param dState gradients of the state after the step */
  back(
    dState: readonly tf.Tensor2D[],
    kept: readonly tf.Tensor2D[],
    before: readonly tf.Tensor2D[],
    attributes: LayerAttributes,
  ): { du: tf.Tensor2D; dv: tf.Tensor2D; dBefore: tf.Tensor2D[] };
}

export interface LayerAttributes {
  /** [rows, inputs] */
  readonly inputWeight: Parameter;
  /** [rows, units] */
  readonly recurrentWeight: Parameter;
  /** What weight dropout multiplies the recurrent weights with. */
  readonly recurrentFactor: WeightFactor;
  /** Units that share a master gate, of cells that have such. */
  readonly chunk: number;
}

/** The weights of a layer; what is multiplied with a hidden state are `recurrentValues`, where they differ from the parameter's own. */
export interface LayerWeights {
  readonly inputWeight: Parameter;
  readonly recurrentWeight: Parameter;
  readonly inputBias: Parameter;
  readonly recurrentBias: Parameter;
}

/** The recurrent weights that a window uses: those of the parameter, or what weight dropout leaves of them. */
export interface UsedWeights {
  readonly values: tf.Tensor;
  readonly factor: WeightFactor;
}

/**
 * @param x [steps * batch, inputs], step by step
 * @param state before the first step
 * @returns outputs [steps * batch, units] and the state after the last step
 */
export type RecurrentLayer = (
  x: tf.Tensor2D,
  weights: LayerWeights,
  used: UsedWeights,
  state: readonly tf.Tensor2D[],
  chunk?: number,
) => { y: tf.Tensor2D; state: tf.Tensor2D[] };

/** The op of a cell, `NAME`: one layer over a whole window. */
export function defineRecurrentLayer(cell: Cell): RecurrentLayer {
  const stateNames = Array.from({ length: cell.states }, (_, i) => `state${i}`);
  const run = defineOp<Record<string, tf.Tensor>, LayerAttributes>({
    name: cell.name,
    inputs: ['x', 'inputValues', 'recurrentValues', 'inputBias', 'recurrentBias', ...stateNames],
    // The state of every step, h first, and the last one of each; then what is kept, of every step.
    outputs: 2 * cell.states + cell.kept,
    forward: (inputs, attributes) => {
      const { inputWeight, recurrentWeight } = attributes;
      let state = stateNames.map((name) => inputs[name] as tf.Tensor2D);
      const [batch] = state[0].shape;
      const steps = inputs['x'].shape[0] / batch;
      const project = forwardProduct(inputs['inputValues'], inputWeight);
      const fromInput = project(inputs['x'] as tf.Tensor2D).add<tf.Tensor2D>(inputs['inputBias']);
      const recur = forwardProduct(inputs['recurrentValues'], recurrentWeight);
      const states: tf.Tensor2D[][] = [];
      const kept: tf.Tensor2D[][] = [];
      for (let t = 0; t < steps; t++) {
        const after = tf.tidy(() => {
          const v = recur(state[0]).add<tf.Tensor2D>(inputs['recurrentBias']);
          return cell.step(rowsOf(fromInput, t, batch), v, state, attributes);
        });
        state = after.state;
        states.push(after.state);
        kept.push(after.kept);
      }
      return [...overTime(states, cell.states), ...state.map((tensor) => tensor.clone()), ...overTime(kept, cell.kept)];
    },
    backward: (gradients, inputs, outputs, attributes) => {
      const { inputWeight, recurrentWeight, recurrentFactor } = attributes;
      const initial = stateNames.map((name) => inputs[name] as tf.Tensor2D);
      const [batch] = initial[0].shape;
      const steps = inputs['x'].shape[0] / batch;
      const states = outputs.slice(0, cell.states) as tf.Tensor2D[];
      const kept = outputs.slice(2 * cell.states) as tf.Tensor2D[];
      const recurBack = backwardProduct(inputs['recurrentValues'], recurrentWeight);
      let dState = gradients.slice(cell.states, 2 * cell.states) as tf.Tensor2D[];
      const du: tf.Tensor2D[] = [];
      const dv: tf.Tensor2D[] = [];
      for (let t = steps - 1; t >= 0; t--) {
        const [du_t, dv_t, ...dBefore] = tf.tidy(() => {
          const at = (all: tf.Tensor) => rowsOf(all as tf.Tensor2D, t, batch);
          const before = t === 0 ? initial : states.map((all) => rowsOf(all, t - 1, batch));
          const total = dState.map((tensor, i) => tensor.add<tf.Tensor2D>(at(gradients[i])));
          const back = cell.back(total, kept.map(at), before, attributes);
          const [dHidden, ...others] = back.dBefore;
          return [back.du, back.dv, dHidden.add<tf.Tensor2D>(recurBack(back.dv)), ...others];
        });
        [du[t], dv[t], dState] = [du_t, dv_t, dBefore];
      }
      const duAll = tf.concat2d(du, 0);
      const dvAll = tf.concat2d(dv, 0);
      const x = inputs['x'] as tf.Tensor2D;
      const before = tf.concat2d(
        [initial[0], tf.slice2d(states[0], [0, 0], [(steps - 1) * batch, states[0].shape[1]])],
        0,
      );
      return {
        x: backwardProduct(inputs['inputValues'], inputWeight)(duAll),
        inputValues: weightGradient(duAll, x, inputs['inputValues'], inputWeight),
        recurrentValues: weightGradient(
          ...([dvAll, before, inputs['recurrentValues'], recurrentWeight, recurrentFactor] as const),
        ),
        inputBias: duAll.sum(0),
        recurrentBias: dvAll.sum(0),
        ...Object.fromEntries(stateNames.map((name, i) => [name, dState[i]])),
      };
    },
  });
  return (x, { inputWeight, recurrentWeight, inputBias, recurrentBias }, used, state, chunk = 1) => {
    const outputs = run(
      {
        x,
        inputValues: inputWeight.values,
        recurrentValues: used.values,
        inputBias: inputBias.values,
        recurrentBias: recurrentBias.values,
        ...Object.fromEntries(stateNames.map((name, i) => [name, state[i]])),
      },
      { inputWeight, recurrentWeight, recurrentFactor: used.factor, chunk },
    ) as tf.Tensor2D[];
    return { y: outputs[0], state: outputs.slice(cell.states, 2 * cell.states) };
  };
}

/** Each of the tensors of the steps, of all steps: [steps * batch, columns]. */
function overTime(steps: readonly (readonly tf.Tensor2D[])[], count: number): tf.Tensor2D[] {
  return Array.from({ length: count }, (_, i) =>
    tf.concat2d(
      steps.map((step) => step[i]),
      0,
    ),
  );
}

/** Rows of one time step of [steps * batch, columns]. */
export function rowsOf(all: tf.Tensor2D, step: number, batch: number): tf.Tensor2D {
  return tf.slice2d(all, [step * batch, 0], [batch, all.shape[1]]);
}

/** Columns of some row blocks of [batch, rows]: `count` columns from `start`. */
export function columnsOf(all: tf.Tensor2D, start: number, count: number): tf.Tensor2D {
  return tf.slice2d(all, [0, start], [all.shape[0], count]);
}
