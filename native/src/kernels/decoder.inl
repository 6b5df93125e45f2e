// What a softmax over many words needs, for some rows of a block of 64 positions: [words][64].

void largestOf(const float* logits, Range rows, float* largest) {
  Vector most[4];
  const float* from = logits + static_cast<size_t>(rows.begin) * lanes;
  for (int v = 0; v < 4; v++) most[v] = load(from + 16 * v);
  for (int row = rows.begin + 1; row < rows.end; row++) {
    from += lanes;
    for (int v = 0; v < 4; v++) {
      const Vector logit = load(from + 16 * v);
      most[v] = select(logit > most[v], logit, most[v]);
    }
  }
  for (int v = 0; v < 4; v++) store(largest + 16 * v, most[v]);
}

void exponentials(float* logits, Range rows, const float* largest, float* sums) {
  Vector sum[4] = {};
  for (int row = rows.begin; row < rows.end; row++) {
    float* at = logits + static_cast<size_t>(row) * lanes;
    for (int v = 0; v < 4; v++) {
      const Vector e = exponential(load(at + 16 * v) - load(largest + 16 * v));
      sum[v] += e;
      store(at + 16 * v, e);
    }
  }
  for (int v = 0; v < 4; v++) store(sums + 16 * v, sum[v]);
}

void scaleLanes(float* numbers, Range rows, const float* factor) {
  for (int row = rows.begin; row < rows.end; row++) {
    float* at = numbers + static_cast<size_t>(row) * lanes;
    for (int v = 0; v < 4; v++) store(at + 16 * v, load(at + 16 * v) * load(factor + 16 * v));
  }
}

/** sums[row] = sum over all lanes of y[row], for some rows. */
void rowSums(const float* y, int rows, int blocks, float* sums, Range range) {
  for (int row = range.begin; row < range.end; row++) {
    Vector sum = all(0);
    for (int block = 0; block < blocks; block++) {
      const float* from = y + (static_cast<size_t>(block) * rows + row) * lanes;
      sum += (load(from) + load(from + 16)) + (load(from + 32) + load(from + 48));
    }
    const Vector sums16[16] = {sum};
    sums[row] = sumEach(sums16)[0];
  }
}
