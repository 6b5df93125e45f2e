import { defineKernel } from '../kernel.js';

/** Workgroups that share a long sum. */
export const sharers = 256;

/** Adds up the numbers of a workgroup's threads, in a fixed tree, into `part[0]`. */
const addUp = `
    part[local] = sum;
    for (var half = threads / 2u; half > 0u; half /= 2u) {
      workgroupBarrier();
      if (local < half) { part[local] += part[local + half]; }
    }`;
const outside = 'var<workgroup> part: array<f32, threads>;';

/** Sums of squares of what each workgroup goes through. */
export const squares = defineKernel({
  name: 'squares',
  read: { x: 'f32' },
  write: { sums: 'f32' },
  params: { count: 'u32' },
  threads: 256,
  outside,
  body: `
    var sum = 0.0;
    for (var i = group * threads + local; i < params.count; i += params.groups * threads) { sum += x[i] * x[i]; }
    ${addUp}
    if (local == 0u) { sums[group] = part[0]; }`,
});

/** The sum of a few numbers, times a factor, as two floats of which the second is 0. */
export const total = defineKernel({
  name: 'total',
  read: { x: 'f32' },
  write: { sum2: 'f32' },
  params: { count: 'u32', factor: 'f32' },
  threads: 256,
  outside,
  body: `
    var sum = 0.0;
    for (var i = local; i < params.count; i += threads) { sum += x[i]; }
    ${addUp}
    if (local == 0u) {
      sum2[0] = part[0] * params.factor;
      if (arrayLength(&sum2) > 1u) { sum2[1] = 0.0; }
    }`,
});
