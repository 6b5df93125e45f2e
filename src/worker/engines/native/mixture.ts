import { mixtureBlocks, mixtureFloor, type MixtureAttributes } from '../../ops/mixture-of-softmaxes.js';
import type { NativeEngine, NativeMatrix, Whole } from './addon.js';
import { blocked, matrixOf, weightGradient, type Register } from './weights.js';

/** A mixture of softmaxes by the kernel of the decoder, block by block, whose probabilities are computed again on the way back. */
export function registerMixture(engine: NativeEngine, register: Register): void {
  let probabilities = new Float32Array(0);
  /** The softmaxes of some rows of latent vectors, and into `ofTargets` the probability of each one's target. */
  const softmaxes = (
    matrix: NativeMatrix,
    bias: Float32Array,
    latent: Float32Array,
    targets: Int32Array,
    ofTargets: Float32Array,
  ) => {
    const size = blocked(targets.length, matrix.rows + 1);
    if (probabilities.length < size) probabilities = new Float32Array(size);
    engine.decode(matrix, bias, targets.length, latent, targets, probabilities, ofTargets);
  };

  register<MixtureAttributes>('SparrowMixtureOfSoftmaxes', (inputs, attributes, memory) => {
    const { weight, targets } = attributes;
    const of = (name: string) => memory.floats(inputs[name]);
    const [positions, experts] = inputs['prior'].shape as [number, number];
    const size = weight.shape[1];
    const matrix = matrixOf(weight, of('values'));
    const [latent, prior] = [of('latent'), of('prior')];
    const ofTargets = memory.fresh([positions, experts]);
    for (const { start, count } of mixtureBlocks(attributes, experts)) {
      const [from, to] = [start * experts, (start + count) * experts];
      softmaxes(
        ...([
          matrix,
          of('bias'),
          latent.subarray(from * size, to * size),
          repeated(targets, start, count, experts),
        ] as const),
        ofTargets.numbers.subarray(from, to),
      );
    }
    let sum = 0;
    for (let position = 0; position < positions; position++)
      sum -= Math.log(mixed(prior, ofTargets.numbers, position, experts));
    const loss = memory.fresh([]);
    loss.numbers[0] = sum / positions;
    return [loss.info, ofTargets.info];
  });

  register<MixtureAttributes>('SparrowMixtureOfSoftmaxesGradient', (inputs, attributes, memory) => {
    const { weight, targets } = attributes;
    const of = (name: string) => memory.floats(inputs[name]);
    const [positions, experts] = inputs['prior'].shape as [number, number];
    const [words, size] = weight.shape as [number, number];
    const [latent, prior, ofTargets, bias] = [of('latent'), of('prior'), of('output1'), of('bias')];
    const scale = of('gradient0')[0] / positions;
    const dLatent = memory.fresh(inputs['latent'].shape);
    const dPrior = memory.fresh([positions, experts]);
    const dBias = memory.fresh([words]);
    const shares = new Float32Array(positions * experts);
    for (let position = 0; position < positions; position++) {
      const factor = scale / mixed(prior, ofTargets, position, experts);
      for (let i = position * experts; i < (position + 1) * experts; i++) {
        dPrior.numbers[i] = -ofTargets[i] * factor;
        shares[i] = prior[i] * ofTargets[i] * factor;
      }
    }
    const compute = (matrix: NativeMatrix, dWeight: Float32Array, whole: Whole): number => {
      if (whole === 'norm') throw new Error('the gradient of a mixture comes in blocks, which have no norms to add up');
      dWeight.fill(0);
      dBias.numbers.fill(0);
      const [ofBlock, biasOfBlock] = [new Float32Array(dWeight.length), new Float32Array(words)];
      const sketchOfBlock = whole === null ? null : { ...whole, sketch: new Float32Array(whole.sketch.length) };
      if (whole !== null) whole.sketch.fill(0);
      for (const { start, count } of mixtureBlocks(attributes, experts)) {
        const [from, to] = [start * experts, (start + count) * experts];
        const rows = latent.subarray(from * size, to * size);
        const ofRows = repeated(targets, start, count, experts);
        softmaxes(matrix, bias, rows, ofRows, new Float32Array(to - from));
        engine.decodeBackward(
          ...([
            matrix,
            to - from,
            rows,
            ofRows,
            probabilities,
            1,
            dLatent.numbers.subarray(from * size, to * size),
          ] as const),
          ...([ofBlock, biasOfBlock, sketchOfBlock, shares.subarray(from, to)] as const),
        );
        add(dWeight, ofBlock);
        add(dBias.numbers, biasOfBlock);
        if (whole !== null && sketchOfBlock !== null) add(whole.sketch, sketchOfBlock.sketch);
      }
      return 0;
    };
    const dValues = weightGradient(weight, of('values'), memory, compute);
    return [dLatent.info, dPrior.info, dValues, dBias.info];
  });
}

/** q + 10⁻⁸ of a position. */
function mixed(prior: Float32Array, ofTargets: Float32Array, position: number, experts: number): number {
  let sum = mixtureFloor;
  for (let i = position * experts; i < (position + 1) * experts; i++) sum += prior[i] * ofTargets[i];
  return sum;
}

/** The targets of some positions, once for each expert. */
function repeated(targets: Int32Array, start: number, count: number, experts: number): Int32Array {
  const all = new Int32Array(count * experts);
  for (let i = 0; i < all.length; i++) all[i] = targets[start + Math.floor(i / experts)];
  return all;
}

function add(sum: Float32Array, more: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] += more[i];
}
