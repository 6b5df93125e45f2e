import type { StoredTensor } from '../../../src/worker/storage/safetensors.js';

/** What a golden case of a stacked LSTM may vary in. */
export interface Sizes {
  readonly layers: number;
  readonly embedding: number;
  readonly hidden: number;
  readonly vocabulary: number;
  readonly steps: number;
  readonly batch: number;
  readonly tied: boolean;
  /** Above 0 the case brings masks. */
  readonly dropout: number;
}

type Numbers = Map<string, Float64Array>;

/**
 * A golden case made without any of Sparrow's code: the equations of an LSTM in plain float64, and gradients as differences
 * of losses. Tensors are in the order in which the safetensors library writes them: by type, then by name.
 */
export function goldenLstm(sizes: Sizes): { entry: object; tensors: Map<string, StoredTensor> } {
  const { layers, embedding, hidden, vocabulary, steps, batch, tied, dropout } = sizes;
  const random = generator(layers * 1000 + embedding * 100 + hidden);
  const shapes = new Map<string, number[]>([['param.embedding.weight', [vocabulary, embedding]]]);
  for (let layer = 0; layer < layers; layer++) {
    shapes.set(`param.lstm.${layer}.weight_ih`, [4 * hidden, layer === 0 ? embedding : hidden]);
    shapes.set(`param.lstm.${layer}.weight_hh`, [4 * hidden, hidden]);
    for (const bias of ['bias_ih', 'bias_hh']) shapes.set(`param.lstm.${layer}.${bias}`, [4 * hidden]);
  }
  if (!tied) shapes.set('param.decoder.weight', [vocabulary, hidden]);
  shapes.set('param.decoder.bias', [vocabulary]);
  for (let i = 0; i < 2 * layers; i++) shapes.set(`state_in.${i}`, [batch, hidden]);
  if (dropout > 0) {
    shapes.set('mask.drop.input', [steps, batch, embedding]);
    for (let layer = 1; layer < layers; layer++) shapes.set(`mask.drop.hidden.${layer - 1}`, [steps, batch, hidden]);
    shapes.set('mask.drop.output', [steps, batch, hidden]);
  }
  const numbers: Numbers = new Map();
  for (const [name, shape] of shapes) {
    const draw = name.startsWith('mask.')
      ? () => (random() < dropout ? 0 : 1 / (1 - dropout))
      : () => Math.fround(1.6 * random() - 0.8);
    numbers.set(name, new Float64Array(product(shape)).map(draw));
  }
  const word = () => Math.floor(random() * vocabulary);
  const input = new Int32Array(steps * batch).map(word);
  const target = new Int32Array(steps * batch).map(word);
  const pass = () => forward(numbers, input, target, sizes);

  const { output, loss, state } = pass();
  const results: [name: string, shape: number[], data: ArrayLike<number>][] = [
    ['output', [steps * batch, vocabulary], output],
    ['loss', [1], [loss]],
    ...state.map((data, i): [string, number[], ArrayLike<number>] => [`state_out.${i}`, [batch, hidden], data]),
  ];
  let squares = 0;
  for (const [name, values] of numbers) {
    if (!name.startsWith('param.')) continue;
    const gradient = values.map((value, i) => {
      const lossAt = (shifted: number) => {
        values[i] = shifted;
        return pass().loss;
      };
      const rise = (h: number) => lossAt(value + h) - lossAt(value - h);
      const slope = (8 * rise(1e-3) - rise(2e-3)) / 12e-3; // exact to the fourth order
      values[i] = value;
      return slope;
    });
    for (const slope of gradient) squares += slope ** 2;
    results.push([name.replace('param.', 'grad.'), shapes.get(name)!, gradient]);
  }
  results.push(['grad_norm', [1], [Math.sqrt(squares)]]);

  const floats = [
    ...results,
    ...[...numbers].map(([name, data]): [string, number[], ArrayLike<number>] => [name, shapes.get(name)!, data]),
  ].sort(([a], [b]) => (a < b ? -1 : 1));
  const tensors = new Map<string, StoredTensor>(
    floats.map(([name, shape, data]) => [name, { shape, data: Float32Array.from(data) }]),
  );
  tensors.set('input', { shape: [steps, batch], data: input });
  tensors.set('target', { shape: [steps * batch], data: target });
  const entry = { model: 'stacked-lstm', hidden, embedding, layers, dropout, tied, T: steps, B: batch, V: vocabulary };
  return { entry, tensors };
}

/** One pass: logits, mean cross-entropy, and (h, c) of each layer in order. */
function forward(
  numbers: Numbers,
  input: Int32Array,
  target: Int32Array,
  sizes: Sizes,
): { output: Float64Array; loss: number; state: Float64Array[] } {
  const { layers, embedding, hidden, vocabulary, steps, batch, tied } = sizes;
  const words = numbers.get('param.embedding.weight')!;
  const decoder = tied ? words : numbers.get('param.decoder.weight')!;
  const state = Array.from({ length: 2 * layers }, (_, i) => Float64Array.from(numbers.get(`state_in.${i}`)!));
  const output = new Float64Array(steps * batch * vocabulary);
  let loss = 0;
  for (let position = 0; position < steps * batch; position++) {
    const stream = position % batch;
    const drop = (y: number[], site: string): number[] => {
      const mask = numbers.get(`mask.drop.${site}`);
      return mask === undefined ? y : y.map((value, i) => value * mask[position * y.length + i]);
    };
    const start = input[position] * embedding;
    let y = drop([...words.subarray(start, start + embedding)], 'input');
    for (let layer = 0; layer < layers; layer++) {
      if (layer > 0) y = drop(y, `hidden.${layer - 1}`);
      const named = (name: string) => numbers.get(`param.lstm.${layer}.${name}`)!;
      const place = stream * hidden;
      const before = [...state[2 * layer].subarray(place, place + hidden)];
      const fromInput = linear(named('weight_ih'), y, named('bias_ih'));
      const sums = linear(named('weight_hh'), before, named('bias_hh')).map((sum, row) => sum + fromInput[row]);
      y = before.map((_, unit) => {
        const [i, f, g, o] = [0, 1, 2, 3].map((gate) => sums[gate * hidden + unit]);
        const cell = sigmoid(f) * state[2 * layer + 1][place + unit] + sigmoid(i) * Math.tanh(g);
        state[2 * layer + 1][place + unit] = cell;
        return sigmoid(o) * Math.tanh(cell);
      });
      state[2 * layer].set(y, place);
    }
    const logits = linear(decoder, drop(y, 'output'), numbers.get('param.decoder.bias')!);
    output.set(logits, position * vocabulary);
    loss += Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0)) - logits[target[position]];
  }
  return { output, loss: loss / (steps * batch), state };
}

function linear(weight: Float64Array, x: readonly number[], bias: Float64Array): number[] {
  return Array.from(bias, (b, row) => x.reduce((sum, value, i) => sum + weight[row * x.length + i] * value, b));
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

function product(shape: readonly number[]): number {
  return shape.reduce((size, length) => size * length, 1);
}

/** Uniform numbers of [0, 1), the same for the same seed. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
