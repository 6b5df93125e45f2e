// Products of the kernels themselves, in blocks of exactly their size, and `linear` of the engine.
#include "../src/pool.h"
#include "support.h"

namespace sparrow::test {
namespace {

/** What plain loops make of a weight, some positions and the gradient of their products. */
struct Linear {
  Linear(const Weight& weight, int positions)
      : weight(weight), positions(positions), y(static_cast<size_t>(positions) * weight.rows),
        dx(static_cast<size_t>(positions) * weight.columns), dBias(weight.rows) {
    Numbers numbers(static_cast<unsigned>(positions * 31 + weight.rows * 7 + weight.columns));
    x = numbers.many(dx.size());
    dy = numbers.many(y.size());
    bias = numbers.many(weight.rows);
    for (int position = 0; position < positions; position++) {
      const float* in = x.data() + static_cast<size_t>(position) * weight.columns;
      double* dIn = dx.data() + static_cast<size_t>(position) * weight.columns;
      for (int row = 0; row < weight.rows; row++) {
        const size_t out = static_cast<size_t>(position) * weight.rows + row;
        double sum = bias[row];
        for (int column = 0; column < weight.columns; column++) {
          const double value = weight.at(row, column);
          sum += value * in[column];
          dIn[column] += value * dy[out];
        }
        y[out] = sum;
        dBias[row] += dy[out];
      }
    }
    const Doubles whole = outerProducts(asDoubles(dy), weight.rows, asDoubles(x), weight.columns, positions);
    dWeight = weight.stored(whole);
    norm = squaredNorm(whole);
    withNorm = static_cast<double>(positions) * (weight.rows + weight.columns) < 5e4;
  }

  const Weight& weight;
  int positions;
  Floats x, dy, bias;
  Doubles y, dx, dBias, dWeight;
  double norm;
  /** Products of all pairs of positions take long under a sanitizer. */
  bool withNorm;
};

/** [positions, columns] in panels of 64 columns. */
Floats panelsOf(const Floats& x, int positions, int columns) {
  Floats panels(static_cast<size_t>(blocksOf(columns)) * positions * lanes);
  for (int position = 0; position < positions; position++) {
    for (int column = 0; column < columns; column++) {
      panels[(static_cast<size_t>(column / lanes) * positions + position) * lanes + column % lanes] =
          x[static_cast<size_t>(position) * columns + column];
    }
  }
  return panels;
}

void testKernels(const Kernels& kernels, Pool& pool, const Linear& want) {
  const int rows = want.weight.rows, columns = want.weight.columns, positions = want.positions;
  const int blocks = blocksOf(positions);
  Matrix weight = want.weight.matrix();
  weight.valuesByColumn = want.weight.valuesByColumn.data();
  Floats x = unwritten(blockedSize(positions, columns)), dx = x;
  Floats y = unwritten(blockedSize(positions, rows)), dy = y;
  Floats yRows = unwritten(want.y.size()), dxRows = unwritten(want.dx.size());
  Floats dWeight = unwritten(want.dWeight.size()), dBias = unwritten(rows);
  const Floats panels = panelsOf(want.x, positions, columns);
  pool.run(false, [&](int thread) {
    const auto part = [&](int count) {
      const Share share = shareOf(count, thread, pool.size());
      return Range{share.begin, share.end};
    };
    kernels.pack(want.x.data(), positions, columns, x.data(), part(columns));
    kernels.pack(want.dy.data(), positions, rows, dy.data(), part(rows));
    pool.barrier();
    kernels.forward(weight, want.bias.data(), x.data(), blocks, y.data(), part(rows));
    kernels.transposed(weight, dy.data(), blocks, dx.data(), part(columns));
    kernels.rowSums(dy.data(), rows, blocks, dBias.data(), part(rows));
    if (weight.sparse) kernels.gradient(weight, dy.data(), x.data(), blocks, dWeight.data(), part(rows));
    else kernels.denseGradient(dy.data(), rows, panels.data(), positions, columns, dWeight.data() + static_cast<size_t>(part(rows).begin) * columns, part(rows));
    pool.barrier();
    kernels.unpack(y.data(), positions, rows, yRows.data(), part(rows));
    kernels.unpack(dx.data(), positions, columns, dxRows.data(), part(columns));
  });
  double norm = 0;
  Doubles ofY(lanes * lanes, NAN), ofX = ofY;
  for (int first = 0; first < blocks && want.withNorm; first++) {
    for (int second = 0; second < blocks; second++) {
      // Some units at a time, as the engine has it.
      const auto multiply = [&](const Floats& all, int units, Doubles& products) {
        for (int from = 0; from < units; from += 37) {
          const auto block = [&](int n) { return all.data() + (static_cast<size_t>(n) * units + from) * lanes; };
          kernels.gram(block(first), block(second), std::min(37, units - from), products.data(), from > 0);
        }
      };
      multiply(dy, rows, ofY);
      multiply(x, columns, ofX);
      norm += kernels.gramProduct(ofY.data(), ofX.data());
    }
  }

  const std::string where = std::string(kernels.name) + " kernels, " + std::to_string(pool.size()) + " threads, " +
                            want.weight.name() + " x " + std::to_string(positions) + ": ";
  checkNear(yRows, want.y, where + "forward");
  checkNear(dxRows, want.dx, where + "transposed");
  checkNear(dWeight, want.dWeight, where + "gradient");
  checkNear(dBias, want.dBias, where + "sums of rows");
  if (want.withNorm) checkNear(norm, want.norm, where + "norm");
}

/** a bᵀ of a [rows, inner] and b [columns, inner]. */
Doubles timesTransposed(const Floats& a, int rows, const Floats& b, int columns, int inner) {
  Doubles product(static_cast<size_t>(rows) * columns);
  for (int row = 0; row < rows; row++) {
    for (int column = 0; column < columns; column++) {
      for (int i = 0; i < inner; i++) {
        product[static_cast<size_t>(row) * columns + column] +=
            static_cast<double>(a[static_cast<size_t>(row) * inner + i]) * b[static_cast<size_t>(column) * inner + i];
      }
    }
  }
  return product;
}

void testEngine(Engine& engine, const Linear& want, bool withNorm, const std::string& name) {
  const Matrix weight = want.weight.matrix();
  Floats y = unwritten(want.y.size()), dx = unwritten(want.dx.size()), dWeight = unwritten(want.dWeight.size());
  Floats dBias = unwritten(want.dBias.size());
  double norm = NAN;
  engine.linearForward(weight, want.bias.data(), want.x.data(), want.positions, y.data());
  engine.linearBackward(weight, want.weight.source.data(), want.dy.data(), want.x.data(), want.positions, dx.data(), dWeight.data(),
                        dBias.data(), withNorm ? &norm : nullptr);
  const std::string where = name + "linear, " + want.weight.name() + " x " + std::to_string(want.positions) + ": ";
  checkNear(y, want.y, where + "y");
  checkNear(dx, want.dx, where + "dx");
  checkNear(dWeight, want.dWeight, where + "dW");
  checkNear(dBias, want.dBias, where + "db");
  if (withNorm) checkNear(norm, want.norm, where + "norm of dW");

  for (const int sketches : {1, 3, 4}) {
    Numbers numbers(static_cast<unsigned>(sketches));
    const Floats signs = numbers.many(static_cast<size_t>(sketches) * weight.rows);
    Floats sketch = unwritten(static_cast<size_t>(sketches) * weight.columns);
    engine.linearBackward(weight, want.weight.source.data(), want.dy.data(), want.x.data(), want.positions, dx.data(), dWeight.data(),
                          dBias.data(), {signs.data(), sketch.data(), sketches});
    // (signs dyᵀ) x
    const Doubles narrow = timesTransposed(signs, sketches, want.dy, want.positions, weight.rows);
    Doubles wanted(sketch.size());
    for (int s = 0; s < sketches; s++) {
      for (int position = 0; position < want.positions; position++) {
        const double factor = narrow[static_cast<size_t>(s) * want.positions + position];
        for (int column = 0; column < weight.columns; column++) {
          wanted[static_cast<size_t>(s) * weight.columns + column] += factor * want.x[static_cast<size_t>(position) * weight.columns + column];
        }
      }
    }
    checkNear(sketch, wanted, where + std::to_string(sketches) + " sketches of dW");
  }
}

struct Size {
  int positions;
  int rows;
  int columns;
  double density;
};

/** Sizes around what a vector, a tile and a block hold. */
std::vector<Size> smallSizes() {
  std::vector<Size> sizes = {
      {1, 1, 1, 1},     {1, 5, 1, 0.5},     {20, 3, 17, 0.5},   {63, 2, 33, 0},    {64, 16, 16, 0.3},   {65, 33, 47, 0.3},
      {130, 19, 64, 1}, {200, 37, 29, 0.25}, {257, 50, 65, 0.1}, {3, 33, 5, 0.5},  {16, 17, 1, 0.5},    {70, 1, 33, 0.5},
  };
  if (onlyTogether) return sizes;
  // Every remainder that a loop over vectors can leave, at the very end of the memory.
  for (int count = 1; count <= 35; count++) {
    sizes.push_back({65, 1, count, 1});
    sizes.push_back({count, count, 1, 1});
  }
  return sizes;
}

/** Each makes one of the passes of `linear` large enough for all threads: products, layout, values by column; and many columns. */
constexpr Size largeSizes[] = {{130, 130, 140, 0.6}, {130, 3, 8000, 0.6}, {130, 8000, 3, 0.6}, {2, 1001, 1003, 1}, {5, 3, 70000, 0.01}};

}  // namespace

void testProducts() {
  const auto testSize = [](const Size& size, bool large) {
    for (const Storage storage : storages) {
      if (size.columns > 0x10000 && storage == Storage::narrow) continue;
      const Weight weight(size.rows, size.columns, storage, size.density, 1);
      const Linear want(weight, size.positions);
      for (const Kernels* kernels : testedKernels()) {
        Pool alone(1), together(3);
        if (!onlyTogether) testKernels(*kernels, alone, want);
        testKernels(*kernels, together, want);
      }
      if (onlyTogether && !large) continue;
      onEveryEngine([&](Engine& engine, const std::string& where) {
        if (want.withNorm) testEngine(engine, want, true, where);
        if (!want.withNorm || !large) testEngine(engine, want, false, where);
      });
    }
  };
  for (const Size& size : smallSizes()) testSize(size, false);
  for (const Size& size : largeSizes) testSize(size, true);

  // What one call has left in the scratch memory is not in the next one's results.
  const Weight large(40, 50, Storage::narrow, 0.5, 2), small(5, 17, Storage::narrow, 0.5, 3), dense(9, 7, Storage::dense, 1, 4);
  const Linear first(large, 130), second(small, 20), third(dense, 65);
  onEveryEngine([&](Engine& engine, const std::string& where) {
    for (const Linear* want : {&first, &second, &third, &first}) testEngine(engine, *want, true, where + "one after the other, ");
  });
}

}  // namespace sparrow::test
