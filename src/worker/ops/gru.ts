import * as tf from '../tf.js';
import { columnsOf, defineRecurrentLayer } from './recurrent-layer.js';

/**
 * The gated recurrent unit.
 *
 * K. Cho, B. van Merriënboer, C. Gulcehre, D. Bahdanau, F. Bougares, H. Schwenk, Y. Bengio: Learning Phrase Representations
 * using RNN Encoder-Decoder for Statistical Machine Translation. EMNLP 2014; with the reset gate behind the product, as cuDNN
 * and PyTorch have it. Row blocks: reset, update, new. With u = W_ih x + b_ih and v = W_hh h' + b_hh:
 *
 *     r, z = σ(u_r + v_r), σ(u_z + v_z)          n = tanh(u_n + r v_n)          h = (1 - z) n + z h'
 *
 *     dz = dh (h' - n) z (1 - z)      da = dh (1 - z) (1 - n²)      dr = da v_n r (1 - r)
 *     du = [dr, dz, da]               dv = [dr, dz, da r]           dh' = dh z
 */
export const gru = defineRecurrentLayer({
  name: 'SparrowGru',
  states: 1,
  kept: 4, // r, z, n, v_n
  step: (u, v, [before]) => {
    const size = before.shape[1];
    const gates = columnsOf(u, 0, 2 * size)
      .add<tf.Tensor2D>(columnsOf(v, 0, 2 * size))
      .sigmoid();
    const r = columnsOf(gates, 0, size);
    const z = columnsOf(gates, size, size);
    const vn = columnsOf(v, 2 * size, size);
    const n = columnsOf(u, 2 * size, size)
      .add<tf.Tensor2D>(r.mul(vn))
      .tanh();
    return { state: [n.add(z.mul<tf.Tensor2D>(before.sub(n)))], kept: [r, z, n, vn] };
  },
  back: ([dh], [r, z, n, vn], [before]) => {
    const dz = dh.mul(before.sub(n)).mul(z).mul<tf.Tensor2D>(tf.sub(1, z));
    const da = dh.mul(tf.sub(1, z)).mul<tf.Tensor2D>(tf.sub(1, n.square()));
    const dr = da.mul(vn).mul(r).mul<tf.Tensor2D>(tf.sub(1, r));
    return {
      du: tf.concat2d([dr, dz, da], 1),
      dv: tf.concat2d([dr, dz, da.mul(r)], 1),
      dBefore: [dh.mul(z)],
    };
  },
});
