import * as tf from '../tf.js';
import { defineRecurrentLayer } from './recurrent-layer.js';

/**
 * The simple recurrent network.
 *
 * J. Elman: Finding Structure in Time. Cognitive Science 14(2), 1990.
 *
 *     h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)          dz = dh (1 - h²)
 */
export const elman = defineRecurrentLayer({
  name: 'SparrowElman',
  states: 1,
  kept: 1, // h, once more: states of the step itself are not given to the way back
  step: (u, v) => {
    const h = u.add<tf.Tensor2D>(v).tanh();
    return { state: [h], kept: [h] };
  },
  back: ([dh], [h]) => {
    const dz = dh.mul<tf.Tensor2D>(tf.sub(1, h.square()));
    return { du: dz, dv: dz, dBefore: [tf.zerosLike(dh)] };
  },
});
