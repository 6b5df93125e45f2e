import type { Parameter } from '../sparsity/parameter.js';
import * as tf from '../tf.js';
import { defineOp, type OpDefinition } from './op.js';
import { columnsOf, rowsOf } from './recurrent-layer.js';
import { backwardProduct, forwardProduct, weightGradient } from './weight.js';

/**
 * A recurrent highway layer over a whole window, with its back-propagation through time and depth.
 *
 * J. Zilly, R. Srivastava, J. Koutník, J. Schmidhuber: Recurrent Highway Networks. ICML 2017; with one dropout mask D for the
 * state, over all steps and depths, as in S. Liu et al.: Selfish Sparse RNN Training. ICML 2021. Row blocks: candidate, transform.
 * In each time step, for d = 0 .. depth - 1:
 *
 *     a = R_d (s D) + b_d  (+ W x_t + b_W where d = 0)          h = tanh(a_h)      t = σ(a_t)
 *     c = 1 - t, or σ of such a sum of its own matrices          s <- h t + s c      (the carried s is not dropped)
 *
 * Backwards, with ds the gradient of s after depth d:
 *
 *     da = [ds t (1 - h²),  ds (h [- s]) t (1 - t)]      da_c = ds s c (1 - c)      ds <- ds c + (da R_d) D
 */
interface Inputs {
  x: tf.Tensor2D;
  state: tf.Tensor2D;
}

/** A matrix with its bias. */
interface Affine {
  readonly weight: Parameter;
  readonly bias: Parameter;
}

/** The matrices of a depth: those of candidate and transform gate, and of the carry gate where it is not coupled. */
export interface HighwayWeights {
  readonly gates: Affine;
  readonly carry: Affine | undefined;
}

export interface RhnWeights {
  /** From the input, at depth 0. */
  readonly input: HighwayWeights;
  /** From the state, one of each depth. */
  readonly recurrent: readonly HighwayWeights[];
}

export interface RhnAttributes extends RhnWeights {
  /** D, [batch, units]; undefined where nothing is dropped. */
  readonly mask: tf.Tensor2D | undefined;
}

/** Every parameter by the name of its input. */
function parametersOf({ input, recurrent }: RhnWeights): Record<string, Parameter> {
  const named: Record<string, Parameter> = {};
  for (const [prefix, { gates, carry }] of [
    ['input', input] as const,
    ...recurrent.map((weights, d) => [`recurrent${d}`, weights] as const),
  ]) {
    named[`${prefix}Weight`] = gates.weight;
    named[`${prefix}Bias`] = gates.bias;
    if (carry === undefined) continue;
    named[`${prefix}CarryWeight`] = carry.weight;
    named[`${prefix}CarryBias`] = carry.bias;
  }
  return named;
}

/** Engines may have a kernel for coupled gates alone. */
const op: Omit<OpDefinition<Inputs, RhnAttributes>, 'name'> = {
  inputs: ['x', 'state'],
  parameters: parametersOf,
  outputs: 6, // s of every step, the last one; of every depth and step, depth by depth: h, t, c, s before
  forward: (inputs, { input, recurrent, mask }) => {
    const [batch, size] = inputs.state.shape;
    const steps = inputs.x.shape[0] / batch;
    const affine = (of: Affine, y: tf.Tensor2D) =>
      forwardProduct(of.weight.values, of.weight)(y).add<tf.Tensor2D>(of.bias.values);
    const fromInput = affine(input.gates, inputs.x);
    const carryFromInput = input.carry === undefined ? undefined : affine(input.carry, inputs.x);
    const products = recurrent.map(({ gates, carry }) => ({
      gates: forwardProduct(gates.weight.values, gates.weight),
      carry: carry === undefined ? undefined : forwardProduct(carry.weight.values, carry.weight),
    }));

    let s = inputs.state;
    const outputs: tf.Tensor2D[] = [];
    const kept = recurrent.map((): Depth[] => []);
    for (let step = 0; step < steps; step++) {
      for (const [d, { gates, carry }] of recurrent.entries()) {
        const before = s;
        const [after, h, t, c] = tf.tidy(() => {
          const seen = mask === undefined ? before : before.mul<tf.Tensor2D>(mask);
          let a = products[d].gates(seen).add<tf.Tensor2D>(gates.bias.values);
          if (d === 0) a = a.add(rowsOf(fromInput, step, batch));
          const candidate = columnsOf(a, 0, size).tanh<tf.Tensor2D>();
          const transform = columnsOf(a, size, size).sigmoid<tf.Tensor2D>();
          let keep: tf.Tensor2D;
          if (carry === undefined) {
            keep = tf.sub(1, transform);
          } else {
            let b = products[d].carry!(seen).add<tf.Tensor2D>(carry.bias.values);
            if (d === 0) b = b.add(rowsOf(carryFromInput!, step, batch));
            keep = b.sigmoid();
          }
          return [candidate.mul(transform).add<tf.Tensor2D>(before.mul(keep)), candidate, transform, keep];
        });
        kept[d].push({ before, h, t, c });
        s = after;
      }
      outputs.push(s);
    }
    const all = (name: keyof Depth) =>
      tf.concat2d(
        kept.flat().map((depth) => depth[name]),
        0,
      );
    return [tf.concat2d(outputs, 0), s.clone(), all('h'), all('t'), all('c'), all('before')];
  },
  backward: ([dy, dLast], inputs, outputs, { input, recurrent, mask }) => {
    const [, , h, t, c, before] = outputs as readonly tf.Tensor2D[];
    const [batch] = inputs.state.shape;
    const positions = inputs.x.shape[0];
    const steps = positions / batch;
    const coupled = input.carry === undefined;
    const products = recurrent.map(({ gates, carry }) => ({
      gates: backwardProduct(gates.weight.values, gates.weight),
      carry: carry === undefined ? undefined : backwardProduct(carry.weight.values, carry.weight),
    }));
    let ds = dLast as tf.Tensor2D;
    const da = recurrent.map((): tf.Tensor2D[] => []);
    const daCarry = recurrent.map((): tf.Tensor2D[] => []);
    for (let step = steps - 1; step >= 0; step--) {
      ds = ds.add(rowsOf(dy as tf.Tensor2D, step, batch));
      for (let d = recurrent.length - 1; d >= 0; d--) {
        const after = ds;
        const [dBefore, dGates, dCarry] = tf.tidy(() => {
          const at = (kept: tf.Tensor2D) => rowsOf(kept, d * steps + step, batch);
          const [candidate, transform, keep, s] = [at(h), at(t), at(c), at(before)];
          const dTransform = after.mul<tf.Tensor2D>(coupled ? candidate.sub(s) : candidate);
          const gates = tf.concat2d(
            [
              after.mul(transform).mul(tf.sub(1, candidate.square())),
              dTransform.mul(transform).mul(tf.sub(1, transform)),
            ],
            1,
          );
          let seen = products[d].gates(gates);
          const back: tf.Tensor2D[] = [gates];
          if (!coupled) {
            const carry = after.mul(s).mul(keep).mul<tf.Tensor2D>(tf.sub(1, keep));
            seen = seen.add(products[d].carry!(carry));
            back.push(carry);
          }
          const dropped = mask === undefined ? seen : seen.mul<tf.Tensor2D>(mask);
          return [after.mul(keep).add<tf.Tensor2D>(dropped), ...back];
        });
        da[d][step] = dGates;
        if (!coupled) daCarry[d][step] = dCarry;
        ds = dBefore;
      }
    }

    const gradients: Record<string, tf.Tensor> = {};
    const take = (prefix: string, of: Affine, dOf: tf.Tensor2D, seen: tf.Tensor2D) => {
      gradients[`${prefix}Weight`] = weightGradient(dOf, seen, of.weight.values, of.weight);
      gradients[`${prefix}Bias`] = dOf.sum(0);
    };
    const overSteps = mask === undefined ? undefined : tf.concat2d(new Array<tf.Tensor2D>(steps).fill(mask), 0);
    for (const [d, { gates, carry }] of recurrent.entries()) {
      const s = rowsOf(before, d, positions);
      const seen = overSteps === undefined ? s : s.mul<tf.Tensor2D>(overSteps);
      take(`recurrent${d}`, gates, tf.concat2d(da[d], 0), seen);
      if (carry !== undefined) take(`recurrent${d}Carry`, carry, tf.concat2d(daCarry[d], 0), seen);
    }
    const fromGates = tf.concat2d(da[0], 0);
    take('input', input.gates, fromGates, inputs.x);
    let dx = backwardProduct(input.gates.weight.values, input.gates.weight)(fromGates);
    if (input.carry !== undefined) {
      const fromCarry = tf.concat2d(daCarry[0], 0);
      take('inputCarry', input.carry, fromCarry, inputs.x);
      dx = dx.add(backwardProduct(input.carry.weight.values, input.carry.weight)(fromCarry));
    }
    return { x: dx, state: ds, ...gradients };
  },
};

const runCoupled = defineOp({ ...op, name: 'SparrowRhn' });
const runUncoupled = defineOp({ ...op, name: 'SparrowRhnUncoupled' });

/** What one depth of one time step leaves behind, each [batch, units]. */
type Depth = Readonly<Record<'before' | 'h' | 't' | 'c', tf.Tensor2D>>;

/**
 * @param x [steps * batch, inputs], step by step
 * @param state before the first step, [batch, units]
 * @param mask D
 * @returns outputs [steps * batch, units] and the state after the last step
 */
export function rhn(
  x: tf.Tensor2D,
  weights: RhnWeights,
  state: tf.Tensor2D,
  mask: tf.Tensor2D | undefined,
): { y: tf.Tensor2D; state: tf.Tensor2D } {
  const run = weights.input.carry === undefined ? runCoupled : runUncoupled;
  const [y, last] = run({ x, state }, { ...weights, mask });
  return { y: y as tf.Tensor2D, state: last as tf.Tensor2D };
}
