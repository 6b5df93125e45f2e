/**
 * TensorFlow.js as the trainer uses it: the core, its gradients (which are not registered by themselves) and its methods
 * on tensors. Everything imports it from here, so that no order of imports can leave one of them out.
 */
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops';

export * from '@tensorflow/tfjs-core';
