/** Sets of positions as bits: bit i % 8 of byte floor(i / 8). What lies behind the last position is 0. */

const ones = Uint8Array.from({ length: 256 }, (_, byte) => countOfWord(byte));

/** How many positions are in the set. */
export function countOf(bits: Uint8Array): number {
  let count = 0;
  for (const byte of bits) count += ones[byte];
  return count;
}

/** How many positions are in both of two sets of the same length, and in either. */
export function overlapOf(a: Uint8Array, b: Uint8Array): { both: number; either: number } {
  let [both, either] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    both += ones[a[i] & b[i]];
    either += ones[a[i] | b[i]];
  }
  return { both, either };
}

/** Calls back with each position in a byte of a set. */
export function eachPosition(byte: number, at: number, tell: (position: number) => void): void {
  for (let rest = byte, position = 8 * at; rest !== 0; rest >>= 1, position++) if ((rest & 1) === 1) tell(position);
}

/** Bits in a 32-bit word. */
export function countOfWord(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
