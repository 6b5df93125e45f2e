// The decoder with its cross-entropy, and the embedding.
#include "support.h"

namespace sparrow::test {
namespace {

struct Size {
  int positions;
  int words;
  int units;
};

/** What plain loops make of a decoder: loss, and gradients of `dLoss` times it. */
struct Decoder {
  Decoder(const Weight& weight, int positions) : weight(weight), positions(positions), dBias(weight.rows) {
    Numbers numbers(static_cast<unsigned>(positions * 31 + weight.rows * 7 + weight.columns));
    y = numbers.many(static_cast<size_t>(positions) * weight.columns);
    bias = numbers.many(weight.rows);
    targets = numbers.words(positions, weight.rows);
    targets.back() = weight.rows - 1;
    dy.resize(y.size());
    Doubles dLogits;
    for (int position = 0; position < positions; position++) {
      Doubles logits(weight.rows);
      double sum = 0;
      for (int row = 0; row < weight.rows; row++) {
        logits[row] = bias[row];
        for (int unit = 0; unit < weight.columns; unit++) logits[row] += static_cast<double>(weight.at(row, unit)) * yAt(position, unit);
        sum += std::exp(logits[row]);
      }
      loss += (std::log(sum) - logits[targets[position]]) / positions;
      for (int row = 0; row < weight.rows; row++) {
        const double d = (std::exp(logits[row]) / sum - (row == targets[position] ? 1 : 0)) * dLoss / positions;
        dLogits.push_back(d);
        dBias[row] += d;
        for (int unit = 0; unit < weight.columns; unit++) {
          dy[static_cast<size_t>(position) * weight.columns + unit] += weight.at(row, unit) * d;
        }
      }
    }
    const Doubles whole = outerProducts(dLogits, weight.rows, asDoubles(y), weight.columns, positions);
    dWeight = weight.stored(whole);
    norm = squaredNorm(whole);
  }

  double yAt(int position, int unit) const { return y[static_cast<size_t>(position) * weight.columns + unit]; }

  const Weight& weight;
  int positions;
  const float dLoss = 0.7f;
  Floats y, bias;
  std::vector<int32_t> targets;
  double loss = 0;
  Doubles dy, dWeight, dBias;
  double norm;
};

void testDecode(Engine& engine, const Decoder& want, bool withNorm, const std::string& name) {
  const Matrix weight = want.weight.matrix();
  Floats probabilities = unwritten(sparrow::decodedSize(want.positions, weight.rows));
  const float loss = engine.decode(weight, want.bias.data(), want.y.data(), want.targets.data(), want.positions, probabilities.data());
  Floats dy = unwritten(want.dy.size()), dWeight = unwritten(want.dWeight.size()), dBias = unwritten(weight.rows);
  double norm = NAN;
  engine.decodeBackward(weight, want.weight.source.data(), want.y.data(), want.targets.data(), want.positions, probabilities.data(),
                        want.dLoss, dy.data(), dWeight.data(), dBias.data(), withNorm ? &norm : nullptr);
  const std::string where = name + "decoder, " + want.weight.name() + " x " + std::to_string(want.positions) + ": ";
  checkNear(Floats{loss}, {want.loss}, where + "loss");
  checkNear(dy, want.dy, where + "dy");
  checkNear(dWeight, want.dWeight, where + "dW");
  checkNear(dBias, want.dBias, where + "db");
  if (withNorm) checkNear(norm, want.norm, where + "norm of dW", 1e-4);
}

void testEmbedding(Engine& engine, const Weight& weight, int positions, bool withNorm, const std::string& name) {
  Numbers numbers(static_cast<unsigned>(positions));
  const std::vector<int32_t> words = numbers.words(positions, weight.rows);
  const Floats dRows = numbers.many(static_cast<size_t>(positions) * weight.columns);
  Doubles wantRows, whole(weight.dense.size());
  for (int position = 0; position < positions; position++) {
    for (int column = 0; column < weight.columns; column++) {
      wantRows.push_back(weight.at(words[position], column));
      whole[static_cast<size_t>(words[position]) * weight.columns + column] += dRows[wantRows.size() - 1];
    }
  }
  const Matrix matrix = weight.matrix();
  Floats rows = unwritten(wantRows.size()), dWeight = unwritten(weight.values.size());
  double norm = NAN;
  engine.lookUp(matrix, words.data(), positions, rows.data());
  engine.lookUpBackward(matrix, words.data(), positions, dRows.data(), dWeight.data(), withNorm ? &norm : nullptr);
  const std::string where = name + "embedding, " + weight.name() + " x " + std::to_string(positions) + ": ";
  checkNear(rows, wantRows, where + "rows");
  checkNear(dWeight, weight.stored(whole), where + "dW");
  if (withNorm) checkNear(norm, squaredNorm(whole), where + "norm of dW");

  constexpr int sketches = 3;
  const Floats signs = numbers.many(static_cast<size_t>(sketches) * weight.rows);
  Floats sketch = unwritten(static_cast<size_t>(sketches) * weight.columns);
  Doubles wantSketch(sketch.size());
  for (int s = 0; s < sketches; s++) {
    for (int row = 0; row < weight.rows; row++) {
      for (int column = 0; column < weight.columns; column++) {
        wantSketch[static_cast<size_t>(s) * weight.columns + column] +=
            signs[static_cast<size_t>(s) * weight.rows + row] * whole[static_cast<size_t>(row) * weight.columns + column];
      }
    }
  }
  engine.lookUpBackward(matrix, words.data(), positions, dRows.data(), dWeight.data(), {signs.data(), sketch.data(), sketches});
  checkNear(sketch, wantSketch, where + "sketches of dW");
}

}  // namespace

void testDecoder() {
  std::vector<Size> sizes = {{130, 301, 67}};  // large enough for all threads
  for (const int positions : {1, 3, 16, 20, 64, 70}) {
    for (const auto& [words, units] : {std::pair(1, 5), std::pair(5, 1), std::pair(17, 33), std::pair(33, 17)}) {
      if (!onlyTogether) sizes.push_back({positions, words, units});
    }
  }
  for (const auto& [positions, words, units] : sizes) {
    for (const Storage storage : storages) {
      const Weight weight(words, units, storage, 0.5, 1);
      const Decoder want(weight, positions);
      onEveryEngine([&, ofEmbedding = positions](Engine& engine, const std::string& where) {
        for (const bool withNorm : {true, false}) {
          testDecode(engine, want, withNorm, where);
          testEmbedding(engine, weight, ofEmbedding, withNorm, where);
        }
      });
    }
  }
}

}  // namespace sparrow::test
