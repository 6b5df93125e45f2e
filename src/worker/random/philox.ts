/**
 * Philox4x32-10, a counter-based random number generator.
 *
 * J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: Parallel Random Numbers: As Easy as 1, 2, 3. SC 2011.
 *
 *     per round:  (L0, R0, L1, R1) <- (hi(M1 L1) ^ R0 ^ k0,  lo(M1 L1),  hi(M0 L0) ^ R1 ^ k1,  lo(M0 L0))
 *     then:       k0 += W0, k1 += W1
 *
 * Four 32-bit words come from four words of counter and two of key, with no state in between: a value is a function of
 * who asks for it and nothing else, whatever was drawn before.
 */

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;
const rounds = 10;

/** High 32 bits of the 64-bit product of two unsigned words, from 16-bit halves. */
function high(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + (middle >>> 16) + (carry >>> 16)) | 0;
}

/**
 * Writes the four words of one counter to `out[at .. at + 4)`.
 */
export function philox4x32(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  key0: number,
  key1: number,
  out: Uint32Array,
  at: number,
): void {
  let [l0, r0, l1, r1, k0, k1] = [c0, c1, c2, c3, key0, key1];
  for (let round = 0; round < rounds; round++) {
    const next0 = high(M1, l1) ^ r0 ^ k0;
    const next1 = high(M0, l0) ^ r1 ^ k1;
    r0 = Math.imul(M1, l1);
    r1 = Math.imul(M0, l0);
    l0 = next0;
    l1 = next1;
    k0 = (k0 + W0) | 0;
    k1 = (k1 + W1) | 0;
  }
  out[at] = l0;
  out[at + 1] = r0;
  out[at + 2] = l1;
  out[at + 3] = r1;
}
