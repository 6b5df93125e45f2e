import { defineKernel } from '../kernel.js';

/** Rows of a packed matrix, dense: a workgroup makes one. */
export const lookUp = defineKernel({
  name: 'lookUp',
  read: { start: 'u32', index: 'u32', value: 'f32', words: 'u32' },
  write: { rows: 'f32' },
  params: { columns: 'u32' },
  threads: 64,
  body: `
    let word = words[group];
    let to = group * params.columns;
    for (var column = local; column < params.columns; column += threads) { rows[to + column] = 0.0; }
    storageBarrier();
    for (var i = start[word] + local; i < start[word + 1u]; i += threads) { rows[to + index[i]] = value[i]; }`,
});

/**
 * Gradient of the active weights of a matrix of word vectors: each adds up what came back to the places where its word stood.
 * `places` are positions in the order of their words, those of word v at `first[v] .. first[v + 1]`. A workgroup has one row.
 */
export const lookUpBack = defineKernel({
  name: 'lookUpBack',
  read: { start: 'u32', index: 'u32', first: 'u32', places: 'u32', dRows: 'f32' },
  write: { gradient: 'f32' },
  params: { columns: 'u32' },
  threads: 64,
  body: `
    for (var i = start[group] + local; i < start[group + 1u]; i += threads) {
      var sum = 0.0;
      for (var k = first[group]; k < first[group + 1u]; k++) { sum += dRows[places[k] * params.columns + index[i]]; }
      gradient[i] = sum;
    }`,
});

/** The whole gradient of the rows of words that occur, of which each column of each word is one thread's: its sum of squares. */
export const lookUpNorm = defineKernel({
  name: 'lookUpNorm',
  read: { first: 'u32', places: 'u32', dRows: 'f32' },
  write: { sums: 'f32' },
  params: { columns: 'u32' },
  threads: 64,
  outside: 'var<workgroup> part: array<f32, threads>;',
  body: `
    var squares = 0.0;
    for (var column = local; column < params.columns; column += threads) {
      var sum = 0.0;
      for (var k = first[group]; k < first[group + 1u]; k++) { sum += dRows[places[k] * params.columns + column]; }
      squares += sum * sum;
    }
    part[local] = squares;
    for (var half = threads / 2u; half > 0u; half /= 2u) {
      workgroupBarrier();
      if (local < half) { part[local] += part[local + half]; }
    }
    if (local == 0u) { sums[group] = part[0]; }`,
});
