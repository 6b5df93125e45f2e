import { defineKernel } from '../kernel.js';

/**
 * Softmax and cross-entropy over logits [words][lanes], four positions to a lane. The way down the words goes in chunks, so that there is work
 * for many threads. One row more than there are words holds log sum exp.
 */

/** Words of a chunk. */
export const chunk = 256;

/** Largest logit, and sum of exponentials relative to it, of each chunk: [chunks][lanes] both. */
export const softmaxParts = defineKernel({
  name: 'softmaxParts',
  read: { logits: 'vec4f' },
  write: { most: 'vec4f', sums: 'vec4f' },
  params: { words: 'u32', lanes: 'u32' },
  threads: 64,
  outside: `
    var<workgroup> mostOf: array<vec4f, 64>;
    var<workgroup> sumOf: array<vec4f, 64>;`,
  body: `
    let blocks = (params.lanes + 15u) / 16u;
    let lane = group % blocks * 16u + local % 16u;
    let first = group / blocks * ${chunk}u;
    let end = min(first + ${chunk}u, params.words);
    var largest = vec4f(-3.0e38);
    var sum = vec4f();
    if (lane < params.lanes) {
      for (var word = first + local / 16u; word < end; word += 4u) {
        let logit = logits[word * params.lanes + lane];
        let next = max(largest, logit);
        sum = sum * exp(largest - next) + exp(logit - next);
        largest = next;
      }
    }
    mostOf[local] = largest;
    sumOf[local] = sum;
    workgroupBarrier();
    if (local >= 16u || lane >= params.lanes) { return; }
    for (var other = local + 16u; other < 64u; other += 16u) {
      let next = max(largest, mostOf[other]);
      sum = sum * exp(largest - next) + sumOf[other] * exp(mostOf[other] - next);
      largest = next;
    }
    most[group / blocks * params.lanes + lane] = largest;
    sums[group / blocks * params.lanes + lane] = sum;`,
});

/** log sum exp of each position from its chunks, into the last row of the logits, and its loss. */
export const losses = defineKernel({
  name: 'losses',
  read: { most: 'f32', sums: 'f32', targets: 'u32' },
  write: { logits: 'f32', loss: 'f32' },
  params: { words: 'u32', positions: 'u32', width: 'u32', chunks: 'u32' },
  threads: 64,
  body: `
    let position = group * threads + local;
    if (position >= params.width) { return; }
    var largest = most[position];
    for (var i = 1u; i < params.chunks; i++) { largest = max(largest, most[i * params.width + position]); }
    var sum = 0.0;
    for (var i = 0u; i < params.chunks; i++) {
      sum += sums[i * params.width + position] * exp(most[i * params.width + position] - largest);
    }
    let logSumExp = largest + log(sum);
    logits[params.words * params.width + position] = logSumExp;
    if (position < params.positions) {
      loss[position] = logSumExp - logits[targets[position] * params.width + position];
    }`,
});

/** d logits = (softmax - onehot target) dLoss / positions */
export const softmaxBack = defineKernel({
  name: 'softmaxBack',
  read: { logits: 'f32', targets: 'u32', dLoss: 'f32' },
  write: { dLogits: 'f32' },
  params: { words: 'u32', positions: 'u32', width: 'u32' },
  threads: 64,
  body: `
    let i = group * threads + local;
    if (i >= params.words * params.width) { return; }
    let word = i / params.width;
    let position = i % params.width;
    var d = 0.0;
    if (position < params.positions) {
      d = exp(logits[i] - logits[params.words * params.width + position]);
      if (targets[position] == word) { d -= 1.0; }
      d *= dLoss[0] / f32(params.positions);
    }
    dLogits[i] = d;`,
});
