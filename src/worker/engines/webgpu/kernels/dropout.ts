import { defineKernel } from '../kernel.js';

/** Masks from Philox4x32-10 (random/philox.ts), the same to the last bit as on every engine; a thread makes four words. */
export const dropout = defineKernel({
  name: 'dropout',
  read: {},
  write: { mask: 'f32' },
  params: {
    ...({ size: 'u32', seed: 'u32', purpose: 'u32', step: 'u32', site: 'u32' } as const),
    ...({ threshold: 'u32', scale: 'f32' } as const),
  },
  threads: 64,
  outside: `
    fn high(a: u32, b: u32) -> u32 {
      let middle = (a >> 16u) * (b & 0xffffu) + (((a & 0xffffu) * (b & 0xffffu)) >> 16u);
      let carry = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
      return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (carry >> 16u);
    }`,
  body: `
    let block = group * threads + local;
    if (block * 4u >= params.size) { return; }
    var word = vec4u(block, params.step, params.site, 0u);
    var key = vec2u(params.seed, params.purpose);
    for (var round = 0; round < 10; round++) {
      word = vec4u(
        high(0xcd9e8d57u, word.z) ^ word.y ^ key.x, 0xcd9e8d57u * word.z,
        high(0xd2511f53u, word.x) ^ word.w ^ key.y, 0xd2511f53u * word.x,
      );
      key += vec2u(0x9e3779b9u, 0xbb67ae85u);
    }
    for (var i = 0u; i < 4u && block * 4u + i < params.size; i++) {
      mask[block * 4u + i] = select(params.scale, 0.0, word[i] < params.threshold);
    }`,
});
