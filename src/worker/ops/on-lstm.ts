import * as tf from '../tf.js';
import { columnsOf, defineRecurrentLayer } from './recurrent-layer.js';

/**
 * The ordered-neurons LSTM.
 *
 * Y. Shen, S. Tan, A. Sordoni, A. Courville: Ordered Neurons: Integrating Tree Structures into Recurrent Neural Networks.
 * ICLR 2019. H units in n = H / C chunks; row blocks: master input n, master forget n, output, cell, input, forget of H each.
 *
 *     m_i = 1 - cumax(a_mi)      m_f = cumax(a_mf)      cumax(a) = cumulative sum of softmax(a), each for the C units of its chunk
 *     i, f, o = σ(.)    g = tanh(.)      ω = m_f m_i      f̂ = f ω + (m_f - ω)      î = i ω + (m_i - ω)
 *     c = f̂ c' + î g         h = o tanh(c)
 *
 * Cumulative sum and chunks are one product: with S[j, unit] = 1 where j is not after the unit's chunk, m_f = softmax(a_mf) S.
 */
export const onLstm = defineRecurrentLayer({
  name: 'SparrowOnLstm',
  states: 2,
  kept: 9, // softmaxes of both master gates, m_i, m_f, o, g, i, f, tanh(c)
  step: (u, v, [, cell], { chunk }) => {
    const size = cell.shape[1];
    const masters = size / chunk;
    const spread = chunkSums(masters, chunk);
    const z = u.add<tf.Tensor2D>(v);
    const block = (gate: number) => columnsOf(z, 2 * masters + gate * size, size);
    const softmaxIn = tf.softmax(columnsOf(z, 0, masters));
    const softmaxForget = tf.softmax(columnsOf(z, masters, masters));
    const masterIn = tf.sub<tf.Tensor2D>(1, tf.matMul(softmaxIn, spread));
    const masterForget = tf.matMul<tf.Tensor2D>(softmaxForget, spread);
    const [o, g, i, f] = [
      block(0).sigmoid(),
      block(1).tanh<tf.Tensor2D>(),
      block(2).sigmoid(),
      block(3).sigmoid(),
    ] as tf.Tensor2D[];
    const { keep, take } = effectiveGates(masterIn, masterForget, i, f);
    const c = keep.mul(cell).add<tf.Tensor2D>(take.mul(g));
    const tanhCell = c.tanh();
    return {
      state: [o.mul<tf.Tensor2D>(tanhCell), c],
      kept: [softmaxIn, softmaxForget, masterIn, masterForget, o, g, i, f, tanhCell],
    };
  },
  back: ([dh, dCell], kept, [, cell], { chunk }) => {
    const [softmaxIn, softmaxForget, masterIn, masterForget, o, g, i, f, tanhCell] = kept;
    const sums = chunkSums(softmaxIn.shape[1], chunk).transpose();
    const { overlap, keep, take } = effectiveGates(masterIn, masterForget, i, f);
    const dc = dCell.add<tf.Tensor2D>(dh.mul(o).mul(tf.sub(1, tanhCell.square())));
    const dKeep = dc.mul<tf.Tensor2D>(cell);
    const dTake = dc.mul<tf.Tensor2D>(g);
    const dOverlap = dKeep.mul(f.sub(1)).add<tf.Tensor2D>(dTake.mul(i.sub(1)));
    const dMasterForget = dKeep.add<tf.Tensor2D>(dOverlap.mul(masterIn));
    const dMasterIn = dTake.add<tf.Tensor2D>(dOverlap.mul(masterForget));
    const throughSoftmax = (softmax: tf.Tensor2D, dMaster: tf.Tensor2D) => {
      const d = softmax.mul(tf.matMul(dMaster, sums));
      return d.sub<tf.Tensor2D>(softmax.mul(d.sum(1, true)));
    };
    const dz = tf.concat2d(
      [
        throughSoftmax(softmaxIn, dMasterIn.neg()),
        throughSoftmax(softmaxForget, dMasterForget),
        dh.mul(tanhCell).mul(o).mul(tf.sub(1, o)),
        dc.mul(take).mul(tf.sub(1, g.square())),
        dTake.mul(overlap).mul(i).mul(tf.sub(1, i)),
        dKeep.mul(overlap).mul(f).mul(tf.sub(1, f)),
      ],
      1,
    );
    return { du: dz, dv: dz, dBefore: [tf.zerosLike(dh), dc.mul(keep)] };
  },
});

/** ω, f̂ and î, each [batch, units]. */
function effectiveGates(masterIn: tf.Tensor2D, masterForget: tf.Tensor2D, i: tf.Tensor2D, f: tf.Tensor2D) {
  const overlap = masterForget.mul<tf.Tensor2D>(masterIn);
  return {
    overlap,
    keep: f.mul(overlap).add<tf.Tensor2D>(masterForget.sub(overlap)),
    take: i.mul(overlap).add<tf.Tensor2D>(masterIn.sub(overlap)),
  };
}

/** S [masters, masters * chunk]: 1 where the unit's chunk is at or after the master. */
function chunkSums(masters: number, chunk: number): tf.Tensor2D {
  const size = masters * chunk;
  const sums = new Float32Array(masters * size);
  for (let master = 0; master < masters; master++) {
    sums.fill(1, master * size + master * chunk, (master + 1) * size);
  }
  return tf.tensor2d(sums, [masters, size]);
}
