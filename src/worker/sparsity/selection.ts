/**
 * Indices of the `count` smallest keys, ascending; among equal keys the smaller index comes first, so that the choice is
 * exact. Linear in the number of keys: two histograms of 16 bits each find the key at which to cut.
 */
export function smallest(keys: Uint32Array, count: number): Int32Array {
  if (count > keys.length) throw new RangeError(`${count} of ${keys.length} keys cannot be chosen`);
  if (count === 0) return new Int32Array(0);
  const upper = histogramCut(keys, count, (key) => key >>> 16);
  const lower = histogramCut(keys, count - upper.below, (key) => (key >>> 16 === upper.bin ? key & 0xffff : -1));
  const cut = upper.bin * 0x10000 + lower.bin;
  let ties = count - upper.below - lower.below;
  const chosen = new Int32Array(count);
  let next = 0;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    if (key < cut || (key === cut && ties-- > 0)) chosen[next++] = i;
  }
  return chosen;
}

/** The bin in which the `count`-th smallest falls, and how many keys lie in bins before it; bin -1 is left out. */
function histogramCut(
  keys: Uint32Array,
  count: number,
  binOf: (key: number) => number,
): { bin: number; below: number } {
  const bins = new Uint32Array(0x10000);
  for (const key of keys) {
    const bin = binOf(key);
    if (bin >= 0) bins[bin]++;
  }
  let below = 0;
  let bin = 0;
  while (below + bins[bin] < count) below += bins[bin++];
  return { bin, below };
}

/** Keys that order numbers by their magnitude: the bits of a float without its sign order like the float. */
export function magnitudeKeys(numbers: Float32Array): Uint32Array {
  const bits = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length);
  return bits.map((word) => word & 0x7fffffff);
}

/** The same, largest first. */
export function descendingMagnitudeKeys(numbers: Float32Array): Uint32Array {
  return magnitudeKeys(numbers).map((key) => 0x7fffffff - key);
}

/** `positions[i]` for each chosen i. */
export function pick(positions: Int32Array, chosen: Int32Array): Int32Array {
  return chosen.map((i) => positions[i]);
}

/** Union of two ascending lists that have no element in common. */
export function union(a: Int32Array, b: Int32Array): Int32Array {
  const result = new Int32Array(a.length + b.length);
  let [i, j] = [0, 0];
  for (let next = 0; next < result.length; next++) {
    result[next] = j === b.length || (i < a.length && a[i] < b[j]) ? a[i++] : b[j++];
  }
  return result;
}

/** The elements of ascending `a` that are not in ascending `b`. */
export function difference(a: Int32Array, b: Int32Array): Int32Array {
  let j = 0;
  return a.filter((element) => {
    while (j < b.length && b[j] < element) j++;
    return b[j] !== element;
  });
}

/** The lists one after the other. */
export function concatenate(lists: readonly Int32Array[]): Int32Array {
  const result = new Int32Array(lists.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const list of lists) {
    result.set(list, at);
    at += list.length;
  }
  return result;
}
