import type { Parameter } from '../sparsity/parameter.js';
import * as tf from '../tf.js';
import { defineOp } from './op.js';
import { rowsOf } from './recurrent-layer.js';
import { backwardProduct, forwardProduct, weightGradient } from './weight.js';

/**
 * A mixture of softmaxes and its cross-entropy, block by block of positions, so that never all probabilities are there at once.
 *
 * Z. Yang, Z. Dai, R. Salakhutdinov, W. Cohen: Breaking the Softmax Bottleneck: A High-Rank RNN Language Model. ICLR 2018.
 * With K experts, latent vectors l_k and priors π_k of a position:
 *
 *     P_k = softmax(W l_k + b)      q = Σ_k π_k P_k(target)      loss = mean over positions of -log(q + 10⁻⁸)
 *
 * Backwards, with N positions, probabilities are computed again and ρ_k = P_k(target) / (q + 10⁻⁸):
 *
 *     dπ_k = -ρ_k / N          d logits_k = π_k ρ_k (P_k - onehot target) / N
 */
interface Inputs {
  latent: tf.Tensor2D;
  prior: tf.Tensor2D;
  values: tf.Tensor;
  bias: tf.Tensor;
}

export interface MixtureAttributes {
  /** [vocabulary, embedding] */
  readonly weight: Parameter;
  /** [positions] */
  readonly targets: Int32Array;
  /** Most probabilities that are there at once. */
  readonly blockSize: number;
}

/** Added to every probability, as in the published code. */
export const mixtureFloor = 1e-8;

/** 16 MB. */
const defaultBlockSize = 1 << 22;

const run = defineOp<Inputs, MixtureAttributes>({
  name: 'SparrowMixtureOfSoftmaxes',
  inputs: ['latent', 'prior', 'values', 'bias'],
  outputs: 2, // loss; kept for the way back: P_k(target), [positions, experts]
  forward: ({ latent, prior, values, bias }, attributes) => {
    const { weight } = attributes;
    const project = forwardProduct(values, weight);
    const experts = prior.shape[1];
    const parts = blocksOf(attributes, experts).map((block) =>
      tf.tidy(() => {
        const softmax = tf.softmax(project(block.of(latent)).add<tf.Tensor2D>(bias));
        return tf.gatherND(softmax, block.targetPlaces).reshape<tf.Tensor2D>([-1, experts]);
      }),
    );
    const ofTargets = tf.concat2d(parts, 0);
    const loss = mixed(prior, ofTargets).log().mean().neg();
    return [loss, ofTargets];
  },
  backward: ([dLoss], { latent, prior, values, bias }, [, ofTargets], attributes) => {
    const { weight, targets } = attributes;
    const project = forwardProduct(values, weight);
    const projectBack = backwardProduct(values, weight);
    const experts = prior.shape[1];
    const scale = dLoss.div(targets.length);
    const shares = ofTargets.div(mixed(prior, ofTargets as tf.Tensor2D)).mul<tf.Tensor2D>(scale); // ρ dLoss / N
    const weighted = prior.mul<tf.Tensor2D>(shares);
    const dLatent: tf.Tensor2D[] = [];
    let dValues: tf.Tensor | undefined;
    let dBias: tf.Tensor | undefined;
    const [rows] = weight.shape;
    for (const block of blocksOf(attributes, experts)) {
      const [ofBlock, biasOfBlock, dLogits] = tf.tidy(() => {
        const softmax = tf.softmax(project(block.of(latent)).add<tf.Tensor2D>(bias));
        const factor = block.of(weighted).reshape<tf.Tensor2D>([-1, 1]);
        const onTargets: tf.Tensor = tf.scatterND(block.targetPlaces, factor.flatten(), [factor.shape[0], rows]);
        const d = softmax.mul(factor).sub<tf.Tensor2D>(onTargets);
        return [projectBack(d), d.sum<tf.Tensor1D>(0), d] as [tf.Tensor2D, tf.Tensor1D, tf.Tensor2D];
      });
      dLatent.push(ofBlock);
      const valuesOfBlock = weightGradient(dLogits, block.of(latent), values, weight);
      dLogits.dispose();
      dValues = dValues === undefined ? valuesOfBlock : dValues.add(valuesOfBlock);
      dBias = dBias === undefined ? biasOfBlock : dBias.add(biasOfBlock);
    }
    return { latent: tf.concat2d(dLatent, 0), prior: shares.neg(), values: dValues!, bias: dBias! };
  },
});

/** q + 10⁻⁸, [positions, 1]. */
function mixed(prior: tf.Tensor2D, ofTargets: tf.Tensor2D): tf.Tensor {
  return prior.mul(ofTargets).sum(1, true).add(mixtureFloor);
}

interface Block {
  /** Its rows of a tensor that has one row, or one of each expert, for every position. */
  readonly of: (all: tf.Tensor2D) => tf.Tensor2D;
  /** Place of the target among the probabilities of each expert of each position, [positions * experts, 2]. */
  readonly targetPlaces: tf.Tensor2D;
}

/** Positions in blocks of which the probabilities of all experts fit. */
export function mixtureBlocks(
  { weight, targets, blockSize }: MixtureAttributes,
  experts: number,
): { start: number; count: number }[] {
  const positions = targets.length;
  const size = Math.max(1, Math.floor(blockSize / (experts * weight.shape[0])));
  return Array.from({ length: Math.ceil(positions / size) }, (_, block) => {
    const start = block * size;
    return { start, count: Math.min(size, positions - start) };
  });
}

function blocksOf(attributes: MixtureAttributes, experts: number): Block[] {
  const { targets } = attributes;
  return mixtureBlocks(attributes, experts).map(({ start, count }) => {
    const places = new Int32Array(2 * count * experts);
    for (let row = 0; row < count * experts; row++) {
      places[2 * row] = row;
      places[2 * row + 1] = targets[start + Math.floor(row / experts)];
    }
    return {
      of: (all) => {
        const each = all.shape[0] / targets.length;
        return tf.slice2d(all, [start * each, 0], [count * each, all.shape[1]]);
      },
      targetPlaces: tf.tensor2d(places, [count * experts, 2], 'int32'),
    };
  });
}

/**
 * @param latent [positions * experts, embedding], the experts of a position one after the other
 * @param prior [positions, experts], each row adding up to 1
 * @param bias [vocabulary]
 * @param targets [positions]
 * @param blockSize most probabilities that are there at once
 * @returns mean loss in nats, a scalar
 */
export function mixtureOfSoftmaxes(
  latent: tf.Tensor2D,
  prior: tf.Tensor2D,
  weight: Parameter,
  bias: Parameter,
  targets: Int32Array,
  blockSize = defaultBlockSize,
): tf.Scalar {
  const inputs = { latent, prior, values: weight.values, bias: bias.values };
  return run(inputs, { weight, targets, blockSize })[0] as tf.Scalar;
}

/** log(Σ π_k P_k + 10⁻⁸) of every word, [positions, vocabulary]; not differentiated. */
export function mixtureScores(
  latent: tf.Tensor2D,
  prior: tf.Tensor2D,
  weight: Parameter,
  bias: Parameter,
): tf.Tensor2D {
  const [positions, experts] = prior.shape;
  const project = forwardProduct(weight.values, weight);
  const rows: tf.Tensor2D[] = [];
  for (let position = 0; position < positions; position++) {
    rows.push(
      tf.tidy(() => {
        const softmax = tf.softmax(project(rowsOf(latent, position, experts)).add<tf.Tensor2D>(bias.values));
        return tf
          .matMul<tf.Tensor2D>(rowsOf(prior, position, 1), softmax)
          .add<tf.Tensor2D>(mixtureFloor)
          .log();
      }),
    );
  }
  return tf.concat2d(rows, 0);
}
