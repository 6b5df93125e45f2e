// One pass over what a parameter stores: optimisers, norms, masks.

void sgd(float* w, const float* g, const float* mask, float scale, float decay, float rate, int begin, int end) {
  for (int i = begin; i < end; i++) {
    const float step = (g[i] * scale + w[i] * decay) * rate;
    w[i] = mask == nullptr ? w[i] - step : (w[i] - step) * mask[i];
  }
}

void averagedSgd(float* w, const float* g, const float* mask, float* average, const float* since, float now, float scale,
                 float decay, float rate, int begin, int end) {
  for (int i = begin; i < end; i++) {
    const float step = (g[i] * scale + w[i] * decay) * rate;
    const float next = mask == nullptr ? w[i] - step : (w[i] - step) * mask[i];
    const float k = now - since[i] - 1;
    const float mu = 1 / (k > 1 ? k : 1);
    average[i] = average[i] * (1 - mu) + next * mu;
    w[i] = next;
  }
}

void adam(float* w, const float* g, const float* mask, float* m1, float* m2, const AdamRates& r, int begin, int end) {
  for (int i = begin; i < end; i++) {
    const float decayed = g[i] * r.scale + w[i] * r.decay;
    const float gradient = mask == nullptr ? decayed : decayed * mask[i];
    m1[i] = m1[i] * r.beta1 + gradient * (1 - r.beta1);
    m2[i] = m2[i] * r.beta2 + gradient * gradient * (1 - r.beta2);
    w[i] -= m1[i] / (__builtin_sqrtf(m2[i]) / r.root2 + r.epsilon) * r.rate;
  }
}

void multiply(const float* x, const float* y, float* product, int begin, int end) {
  for (int i = begin; i < end; i++) product[i] = x[i] * y[i];
}

/** Sum of squares in float64, in four chains of a fixed order. */
double sumOfSquares(const float* x, int begin, int end) {
  double sums[4] = {};
  for (int i = begin; i < end; i++) sums[(i - begin) % 4] += static_cast<double>(x[i]) * x[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/** Sixteen draws of Philox side by side (J. K. Salmon et al.: Parallel Random Numbers: As Easy as 1, 2, 3. SC 2011), with the words of
 * src/worker/random/philox.ts. */
void dropout(const DropoutDraw& draw, float* mask, int begin, int end) {
  constexpr int together = 16;
  for (int first = begin; 4 * first < end; first += together) {
    uint32_t l0[together], r0[together], l1[together], r1[together];
    for (int i = 0; i < together; i++) {
      l0[i] = static_cast<uint32_t>(first + i);
      r0[i] = draw.a;
      l1[i] = draw.b;
      r1[i] = 0;
    }
    uint32_t key0 = draw.seed, key1 = draw.purpose;
    for (int round = 0; round < 10; round++) {
      for (int i = 0; i < together; i++) {
        const uint64_t a = static_cast<uint64_t>(0xd2511f53u) * l0[i];
        const uint64_t b = static_cast<uint64_t>(0xcd9e8d57u) * l1[i];
        l0[i] = static_cast<uint32_t>(b >> 32) ^ r0[i] ^ key0;
        l1[i] = static_cast<uint32_t>(a >> 32) ^ r1[i] ^ key1;
        r0[i] = static_cast<uint32_t>(b);
        r1[i] = static_cast<uint32_t>(a);
      }
      key0 += 0x9e3779b9u;
      key1 += 0xbb67ae85u;
    }
    float drawn[4 * together];
    for (int i = 0; i < together; i++) {
      drawn[4 * i] = l0[i] < draw.threshold ? 0 : draw.scale;
      drawn[4 * i + 1] = r0[i] < draw.threshold ? 0 : draw.scale;
      drawn[4 * i + 2] = l1[i] < draw.threshold ? 0 : draw.scale;
      drawn[4 * i + 3] = r1[i] < draw.threshold ? 0 : draw.scale;
    }
    const int left = end - 4 * first;
    std::memcpy(mask + 4 * static_cast<size_t>(first), drawn, sizeof(float) * (left < 4 * together ? left : 4 * together));
  }
}
