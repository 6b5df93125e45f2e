// The pool and the kernels against plain loops, over sizes that are no multiple of anything. A program of its own, so that it
// can be built with sanitizers (scripts/sanitize.mjs): vectors have exactly the size that a kernel may touch.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <vector>

#include "../src/dispatch.h"
#include "../src/kernels.h"
#include "../src/pool.h"

namespace {

using sparrow::Kernels;
using sparrow::Matrix;
using sparrow::Pool;
using sparrow::Range;

int failures = 0;

void check(bool ok, const std::string& what) {
  if (ok) return;
  failures++;
  std::fprintf(stderr, "FAIL %s\n", what.c_str());
}

Range partOf(int count, const Pool& pool, int thread) {
  const sparrow::Share share = sparrow::shareOf(count, thread, pool.size());
  return {share.begin, share.end};
}

// ---------------------------------------------------------------- the pool

/** What each thread writes before a barrier, every other thread reads after it: any missing order is a data race. */
void testBarriers(int threads) {
  Pool pool(threads);
  std::vector<int> written(threads);
  std::vector<long> seen(threads);
  constexpr int runs = 200, rounds = 10;
  for (int run = 0; run < runs; run++) {
    pool.run(false, [&](int thread) {
      for (int round = 0; round < rounds; round++) {
        written[thread] = run * rounds + round + thread;
        pool.barrier();
        for (int other = 0; other < pool.size(); other++) seen[thread] += written[other] - other;
        pool.barrier();
      }
    });
  }
  const long count = static_cast<long>(runs) * rounds;
  for (int thread = 0; thread < threads; thread++) {
    check(seen[thread] == threads * (count * (count - 1) / 2),
          "barriers of " + std::to_string(threads) + " threads, thread " + std::to_string(thread));
  }
}

/** A run is whole when it returns, whatever each thread takes; a pool that never runs ends, too. */
void testRuns(int threads) {
  { const Pool idle(threads); }
  Pool pool(threads);
  for (int count : {0, 1, 2, 7, 1000}) {
    std::vector<int> taken(count);
    pool.run(false, [&](int thread) {
      const Range part = partOf(count, pool, thread);
      for (int i = part.begin; i < part.end; i++) taken[i]++;
    });
    for (int i = 0; i < count; i++) check(taken[i] == 1, "shares of " + std::to_string(count) + " things");
  }
}

// ---------------------------------------------------------------- the kernels

/** Numbers between -1 and 1, the same on every machine. */
class Numbers {
 public:
  explicit Numbers(unsigned seed) : state_(seed * 2654435761u + 1) {}
  float next() {
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<float>(state_ >> 8) / (1 << 23) - 1;
  }
  std::vector<float> many(size_t count) {
    std::vector<float> numbers(count);
    for (float& number : numbers) number = next();
    return numbers;
  }

 private:
  unsigned state_;
};

struct Size {
  int positions;
  int rows;
  int columns;
  double density;
};

template <typename Index>
void testProducts(const Kernels& kernels, Pool& pool, const Size& size, bool sparse) {
  const auto [positions, rows, columns, density] = size;
  Numbers numbers(static_cast<unsigned>(positions * 31 + rows * 7 + columns));

  // Row 0 is full and row 1 empty, where there are that many.
  std::vector<float> dense(static_cast<size_t>(rows) * columns);
  std::vector<bool> active(dense.size());
  for (int row = 0; row < rows; row++) {
    for (int column = 0; column < columns; column++) {
      const size_t at = static_cast<size_t>(row) * columns + column;
      const bool drawn = (numbers.next() + 1) / 2 < density;
      active[at] = !sparse || row == 0 || (row != 1 && drawn);
      if (active[at]) dense[at] = numbers.next();
    }
  }
  std::vector<float> values, valuesByColumn;
  std::vector<int32_t> rowStart{0}, columnStart{0};
  std::vector<Index> columnOf, rowOf;
  for (int row = 0; row < rows; row++) {
    for (int column = 0; column < columns; column++) {
      const size_t at = static_cast<size_t>(row) * columns + column;
      if (!active[at]) continue;
      values.push_back(dense[at]);
      columnOf.push_back(static_cast<Index>(column));
    }
    rowStart.push_back(static_cast<int32_t>(values.size()));
  }
  for (int column = 0; column < columns; column++) {
    for (int row = 0; row < rows; row++) {
      const size_t at = static_cast<size_t>(row) * columns + column;
      if (!active[at]) continue;
      valuesByColumn.push_back(dense[at]);
      rowOf.push_back(static_cast<Index>(row));
    }
    columnStart.push_back(static_cast<int32_t>(valuesByColumn.size()));
  }
  values.shrink_to_fit();
  valuesByColumn.shrink_to_fit();
  columnOf.shrink_to_fit();
  rowOf.shrink_to_fit();
  Matrix weight{};
  weight.rows = rows;
  weight.columns = columns;
  weight.values = values.data();
  weight.valuesByColumn = valuesByColumn.data();
  weight.sparse = sparse;
  weight.wide = std::is_same_v<Index, uint32_t>;
  weight.rowStart = rowStart.data();
  weight.column = columnOf.data();
  weight.columnStart = columnStart.data();
  weight.row = rowOf.data();

  const std::vector<float> x = numbers.many(static_cast<size_t>(positions) * columns);
  const std::vector<float> dy = numbers.many(static_cast<size_t>(positions) * rows);
  const std::vector<float> bias = numbers.many(rows);
  // What is not written shows as NaN.
  const auto blocked = [&](int units) { return std::vector<float>(sparrow::blockedSize(positions, units), NAN); };
  std::vector<float> xBlocked = blocked(columns), yBlocked = blocked(rows), dyBlocked = blocked(rows), dxBlocked = blocked(columns);
  std::vector<float> y(dy.size(), NAN), dx(x.size(), NAN), gradient(values.size(), NAN);
  const int blocks = sparrow::blocksOf(positions);
  pool.run(false, [&](int thread) {
    const Range ofRows = partOf(rows, pool, thread);
    const Range ofColumns = partOf(columns, pool, thread);
    kernels.pack(x.data(), positions, columns, xBlocked.data(), ofColumns);
    kernels.pack(dy.data(), positions, rows, dyBlocked.data(), ofRows);
    pool.barrier();
    kernels.forward(weight, bias.data(), xBlocked.data(), blocks, yBlocked.data(), ofRows);
    kernels.transposed(weight, dyBlocked.data(), blocks, dxBlocked.data(), ofColumns);
    if (sparse) kernels.gradient(weight, dyBlocked.data(), xBlocked.data(), blocks, gradient.data(), ofRows);
    else kernels.denseGradient(dyBlocked.data(), rows, x.data(), positions, columns, gradient.data(), ofRows);
    pool.barrier();
    kernels.unpack(yBlocked.data(), positions, rows, y.data(), ofRows);
    kernels.unpack(dxBlocked.data(), positions, columns, dx.data(), ofColumns);
  });

  const std::string where = std::string(kernels.name) + (sparse ? " sparse " : " dense ") + std::to_string(sizeof(Index) * 8) +
                            " bit, " + std::to_string(positions) + " x " + std::to_string(rows) + " x " +
                            std::to_string(columns) + ", " + std::to_string(pool.size()) + " threads: ";
  bool forwardOk = true, transposedOk = true, gradientOk = true;
  const auto near = [](float got, double want, int terms) { return std::fabs(got - want) <= 1e-6 * (terms + 4); };
  std::vector<double> wantDx(x.size());
  std::vector<double> wantGradient(dense.size());
  for (int p = 0; p < positions; p++) {
    for (int row = 0; row < rows; row++) {
      double want = bias[row];
      const double above = dy[static_cast<size_t>(p) * rows + row];
      for (int column = 0; column < columns; column++) {
        const size_t at = static_cast<size_t>(row) * columns + column;
        if (!active[at]) continue;
        const size_t from = static_cast<size_t>(p) * columns + column;
        want += static_cast<double>(dense[at]) * x[from];
        wantDx[from] += dense[at] * above;
        wantGradient[at] += above * x[from];
      }
      forwardOk = forwardOk && near(y[static_cast<size_t>(p) * rows + row], want, columns);
    }
  }
  for (size_t i = 0; i < dx.size(); i++) transposedOk = transposedOk && near(dx[i], wantDx[i], rows);
  size_t k = 0;
  for (size_t at = 0; at < dense.size(); at++) {
    if (active[at]) gradientOk = gradientOk && near(gradient[k++], wantGradient[at], positions);
  }
  check(forwardOk, where + "forward");
  check(transposedOk, where + "transposed");
  check(gradientOk, where + "gradient");
}

}  // namespace

int main() {
  for (int threads : {1, 2, 3, 5, 8}) {
    testBarriers(threads);
    testRuns(threads);
  }
  const Size sizes[] = {
      {1, 1, 1, 1},     {1, 5, 1, 0.5},   {20, 3, 17, 0.5},     {63, 2, 33, 0},  {64, 16, 16, 0.3},
      {65, 33, 47, 0.3}, {130, 19, 64, 1}, {200, 37, 29, 0.25}, {257, 50, 65, 0.1},
  };
  for (const Kernels* kernels : sparrow::runnableKernels()) {
    for (int threads : {1, 3}) {
      Pool pool(threads);
      for (const Size& size : sizes) {
        testProducts<uint16_t>(*kernels, pool, size, true);
        testProducts<uint32_t>(*kernels, pool, size, true);
        testProducts<uint16_t>(*kernels, pool, size, false);
      }
      // Every remainder that a loop over vectors can leave, at the very end of the memory.
      for (int count = 1; count <= 35; count++) {
        for (const Size& size : {Size{65, 1, count, 1}, Size{count, count, 1, 1}}) {
          testProducts<uint16_t>(*kernels, pool, size, true);
          testProducts<uint16_t>(*kernels, pool, size, false);
        }
      }
      // More columns than 16 bits can number.
      testProducts<uint32_t>(*kernels, pool, {5, 3, 70000, 0.01}, true);
    }
  }
  if (failures > 0) std::fprintf(stderr, "%d checks failed\n", failures);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
