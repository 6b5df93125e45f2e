import type { ModelConfig } from '../../shared/model-config.js';
import { isSparsifiable, type ParameterSpec } from './model.js';

/**
 * The small dense control of a sparse model (algorithm page 2.7): all sizes shrink in proportion, to where the number of parameters comes nearest
 * to that of the whole model at `controlDensity`, biases counted in full. So the stacked LSTM of 2 · 1500 units at 0.33 becomes 2 · 699.
 * Layers of an ON-LSTM stay multiples of its chunk, and numbers of layers, depths and experts what they are.
 *
 * @param parameters what a model of such sizes has
 * @returns the model itself where `controlDensity` is 1
 */
export function controlSized(
  model: ModelConfig,
  parameters: (model: ModelConfig) => readonly ParameterSpec[],
): ModelConfig {
  if (model.controlDensity === 1) return model;
  const countOf = (specs: readonly ParameterSpec[]) =>
    specs.reduce((sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1), 0);
  const whole = parameters(model);
  const matrices = countOf(whole.filter(isSparsifiable));
  const wanted = model.controlDensity * matrices + countOf(whole) - matrices;

  const unit = model.kind === 'on-lstm' ? model.chunk : 1;
  const most = model.hidden / unit; // sizes that can be tried: with so many units of the hidden size
  const sized = (units: number): ModelConfig => {
    const shrunk = (size: number) => Math.min(size, Math.max(1, Math.round((size * units) / most / unit)) * unit);
    const { embedding, hidden, hiddenLast } = model;
    return {
      ...model,
      ...{
        embedding: shrunk(embedding),
        hidden: shrunk(hidden),
        hiddenLast: hiddenLast === 0 ? 0 : shrunk(hiddenLast),
      },
    };
  };
  const distance = (units: number) => Math.abs(countOf(parameters(sized(units))) - wanted);
  // The number of parameters grows with the units: the first that has enough, or the one before.
  let [low, high] = [1, most];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (countOf(parameters(sized(middle))) < wanted) low = middle + 1;
    else high = middle;
  }
  return sized(low > 1 && distance(low - 1) <= distance(low) ? low - 1 : low);
}
