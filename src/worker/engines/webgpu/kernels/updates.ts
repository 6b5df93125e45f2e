import { defineKernel } from '../kernel.js';

/**
 * Steps of the optimisers, in place. The factor from clipping is `scale`, which stays on the device, and a mask is 1 where a weight is active; a
 * packed parameter has none. Equations: ops/apply-update.ts.
 */
const rates = { count: 'u32', masked: 'u32', learningRate: 'f32', weightDecay: 'f32' } as const;

const ofThread = `
    let i = group * threads + local;
    if (i >= params.count) { return; }
    var kept = 1.0;
    if (params.masked == 1u) { kept = mask[i]; }
    let w = values[i];
    let g = gradient[i] * scale[0] + params.weightDecay * w;`;

const read = { gradient: 'f32', mask: 'f32', scale: 'f32' } as const;

export const sgd = defineKernel({
  name: 'sgd',
  read,
  write: { values: 'f32' },
  params: rates,
  threads: 64,
  body: `${ofThread}
    values[i] = (w - params.learningRate * g) * kept;`,
});

export const momentumSgd = defineKernel({
  name: 'momentumSgd',
  read,
  write: { values: 'f32', velocity: 'f32' },
  params: { ...rates, momentum: 'f32' },
  threads: 64,
  body: `${ofThread}
    let v = (params.momentum * velocity[i] + g) * kept;
    velocity[i] = v;
    values[i] = w - params.learningRate * v;`,
});

export const averagedSgd = defineKernel({
  name: 'averagedSgd',
  read: { ...read, activeSince: 'f32' },
  write: { values: 'f32', average: 'f32' },
  params: { ...rates, averagingStep: 'f32' },
  threads: 64,
  body: `${ofThread}
    let next = (w - params.learningRate * g) * kept;
    let mu = 1.0 / max(1.0, params.averagingStep - activeSince[i] - 1.0);
    values[i] = next;
    average[i] = (1.0 - mu) * average[i] + mu * next;`,
});

export const adam = defineKernel({
  name: 'adam',
  read,
  write: { values: 'f32', moment1: 'f32', moment2: 'f32' },
  params: {
    ...rates,
    ...({
      beta1: 'f32',
      rest1: 'f32',
      beta2: 'f32',
      rest2: 'f32',
      root2: 'f32',
      epsilon: 'f32',
      dense: 'u32',
    } as const),
  },
  threads: 64,
  body: `${ofThread}
    var ofActive = g * kept;
    if (params.dense == 1u) { ofActive = g; }
    let m = params.beta1 * moment1[i] + params.rest1 * ofActive;
    let v = params.beta2 * moment2[i] + params.rest2 * ofActive * ofActive;
    moment1[i] = m;
    moment2[i] = v;
    values[i] = (w - params.learningRate * m / (sqrt(v) / params.root2 + params.epsilon)) * kept;`,
});
