// Optimisers, dropout, and what else goes over arrays.
#include <algorithm>

#include "philox.h"
#include "support.h"

namespace sparrow::test {
namespace {

/** Arrays of an optimiser, and rates. */
struct Step {
  explicit Step(int count, bool masked) : count(count) {
    Numbers numbers(static_cast<unsigned>(count));
    w = numbers.many(count);
    g = numbers.many(count);
    first = numbers.many(count);
    second = numbers.many(count);
    since.resize(count);
    for (int i = 0; i < count; i++) {
      second[i] = second[i] * second[i];
      since[i] = static_cast<float>(i % 5);
      if (masked) mask.push_back(i % 3 == 0 ? 0.f : 1.f);
    }
  }
  const float* maskOrNull() const { return mask.empty() ? nullptr : mask.data(); }
  double maskAt(int i) const { return mask.empty() ? 1 : mask[i]; }

  const int count;
  const float scale = 0.7f, decay = 0.01f, rate = 0.3f, now = 4;
  const AdamRates adam = {scale, decay, 0.9f, 0.99f, 1e-3f, 0.5f, 0.1f};
  Floats w, g, mask, first, second, since;
};

/** What plain loops make of them. */
struct Wanted {
  explicit Wanted(const Step& s) {
    for (int i = 0; i < s.count; i++) {
      const double decayed = s.g[i] * s.scale + s.w[i] * s.decay;
      w.push_back((s.w[i] - decayed * s.rate) * s.maskAt(i));
      const double mu = 1 / std::fmax(1., s.now - s.since[i] - 1);
      average.push_back(s.first[i] + (w[i] - s.first[i]) * mu);

      const double gradient = decayed * s.maskAt(i);
      first.push_back(s.first[i] * s.adam.beta1 + gradient * (1 - s.adam.beta1));
      second.push_back(s.second[i] * s.adam.beta2 + gradient * gradient * (1 - s.adam.beta2));
      adam.push_back(s.w[i] - s.adam.rate * first[i] / (std::sqrt(second[i]) / s.adam.root2 + s.adam.epsilon));
      product.push_back(static_cast<double>(s.w[i]) * s.g[i]);
    }
    squares = squaredNorm(asDoubles(s.w));
  }
  Doubles w, average, adam, first, second, product;
  double squares;
};

void testOptimizers(Engine& engine, const Step& s, const Wanted& want, const std::string& where) {
  Floats w = s.w;
  engine.sgd(w.data(), s.g.data(), s.maskOrNull(), s.count, s.scale, s.decay, s.rate);
  checkNear(w, want.w, where + "sgd");

  Floats average = s.first;
  w = s.w;
  engine.averagedSgd(w.data(), s.g.data(), s.maskOrNull(), average.data(), s.since.data(), s.count, s.now, s.scale, s.decay, s.rate);
  checkNear(w, want.w, where + "averaged sgd");
  checkNear(average, want.average, where + "average");

  Floats first = s.first, second = s.second;
  w = s.w;
  engine.adam(w.data(), s.g.data(), s.maskOrNull(), first.data(), second.data(), s.count, s.adam);
  checkNear(w, want.adam, where + "adam");
  checkNear(first, want.first, where + "first moment");
  checkNear(second, want.second, where + "second moment");
}

void testArrays(Engine& engine, const Step& s, const Wanted& want, const std::string& where) {
  Floats product = unwritten(s.count);
  engine.multiply(s.w.data(), s.g.data(), product.data(), s.count);
  checkNear(product, want.product, where + "multiply");
  checkNear(engine.sumOfSquares(s.w.data(), s.count), want.squares, where + "sum of squares", 1e-12);
}

void testDropout(Engine& engine, int count, const std::string& where) {
  const uint32_t threshold = 0x60000000u;
  const float scale = 1.6f;
  Floats mask = unwritten(count);
  engine.dropout({11, 22, 33, 44, threshold, scale}, mask.data(), count);
  bool ok = true;
  for (int i = 0; i < count; i++) {
    uint32_t words[4];
    philox4x32(static_cast<uint32_t>(i / 4), 33, 44, 0, 11, 22, words);
    ok = ok && mask[i] == (words[i % 4] < threshold ? 0 : scale);
  }
  check(ok, where + "dropout");
}

/** The known answers of its authors. */
void testPhilox() {
  const uint32_t ones = 0xffffffffu;
  uint32_t out[4];
  philox4x32(0, 0, 0, 0, 0, 0, out);
  check(out[0] == 0x6627e8d5u && out[1] == 0xe169c58du && out[2] == 0xbc57ac4cu && out[3] == 0x9b00dbd8u, "philox of zeros");
  philox4x32(ones, ones, ones, ones, ones, ones, out);
  check(out[0] == 0x408f276du && out[1] == 0x41c83b0eu && out[2] == 0xa20bc7c6u && out[3] == 0x6d5451fdu, "philox of ones");
}

}  // namespace

void testUpdates() {
  testPhilox();
  std::vector<int> counts = {(1 << 20) + 3};  // large enough for all threads
  for (int count = 1; count <= 67 && !onlyTogether; count++) counts.push_back(count);
  for (const int count : counts) {
    for (const bool masked : {false, true}) {
      const Step step(count, masked);
      const Wanted want(step);
      onEveryEngine([&](Engine& engine, const std::string& name) {
        const std::string where = name + std::to_string(count) + (masked ? " masked: " : ": ");
        testOptimizers(engine, step, want, where);
        if (masked) return;
        testArrays(engine, step, want, where);
        testDropout(engine, std::min(count, 100003), where);
      });
    }
  }
}

}  // namespace sparrow::test
