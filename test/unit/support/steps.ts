import { initialParameters } from '../../../src/worker/models/build.js';
import { lossAndGradients } from '../../../src/worker/models/gradients.js';
import type { LanguageModel } from '../../../src/worker/models/model.js';
import { stackedLstm } from '../../../src/worker/models/stacked-lstm.js';
import { dropoutMask } from '../../../src/worker/ops/dropout-mask.js';
import { gradientNorm, watchGradients } from '../../../src/worker/optimizers/clipping.js';
import type { Layout } from '../../../src/worker/sparsity/parameter.js';
import * as tf from '../../../src/worker/tf.js';
import { parseRunConfig } from '../../../src/shared/run-config.js';
import { activeGradient, integers, numbers, randomPattern } from './numerics.js';
import type { Sizes } from './op-cases.js';

/** A stacked LSTM with random sparse matrices, the same in each layout. */
export function modelOf(
  layout: Layout,
  { inputs, units, words, density = 0.4 }: Sizes,
  tied: boolean,
  seed: number,
): LanguageModel {
  const { model } = parseRunConfig({
    model: {
      embedding: tied ? units : inputs,
      hidden: units,
      layers: 2,
      tied,
      dropout: { input: 0.3, hidden: 0.3, output: 0.3 },
    },
  });
  const specs = stackedLstm.parameters(model, words);
  const patterns = new Map(
    specs
      .filter(({ shape }) => shape.length === 2)
      .map(({ name, shape: [rows, columns] }, i) => [name, randomPattern(seed + i, rows, columns, density)]),
  );
  return stackedLstm.create(model, initialParameters(specs, patterns, layout, seed));
}

export const clipNorms = ['active', 'all', 'sketched'] as const;

interface StepResult {
  readonly norm: number;
  readonly loss: number;
  readonly state: readonly Float32Array[];
  readonly gradients: readonly Float32Array[];
}

/**
 * Loss, next state, gradients of active weights and every norm, in the order of `clipNorms`, of one training window on the
 * present backend.
 */
export function stepOf(model: LanguageModel, { batch, steps, words }: Sizes, seed: number): StepResult[] {
  const window = {
    inputs: integers(seed, batch * steps, words),
    targets: integers(seed + 1, batch * steps, words),
    batch,
  };
  return tf.tidy(() => {
    const state = model.initialState(batch).map(({ shape, size }, i) => tf.tensor2d(numbers(seed + i, size), shape));
    const norms = clipNorms.map((kind) => {
      watchGradients(model.parameters, kind, { seed, step: 1 });
      const pass = lossAndGradients(model, window, state, (site, p, shape) =>
        dropoutMask({ seed, step: 1, site }, p, shape),
      );
      const norm = gradientNorm(model.parameters, pass.gradients, kind, { seed, step: 1 });
      const numbersOf = (tensors: readonly tf.Tensor[]) =>
        tensors.map((tensor) => tensor.dataSync<'float32'>().slice());
      const gradients = model.parameters.map((parameter, i) => activeGradient(parameter, pass.gradients[i]));
      const result = { norm, loss: pass.loss.dataSync()[0], state: numbersOf(pass.state), gradients };
      tf.dispose([...pass.state]);
      return result;
    });
    return norms;
  });
}
