// How fast the kernels are: every one that a training step spends its time in, at some densities and numbers of threads, on the
// matrices of a stacked LSTM of 1500 units. One line of JSON per figure. Built and run by scripts/bench-kernels.mjs.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "../src/dispatch.h"
#include "../src/engine_parts.h"
#include "../src/kernels.h"
#include "../src/pool.h"
#include "../test/tiles.h"

namespace {

using sparrow::Kernels;
using sparrow::Matrix;
using sparrow::Pool;
using sparrow::Range;

constexpr int hidden = 1500;
constexpr int words = 10000;
constexpr int positions = 704;
constexpr int blocks = positions / sparrow::lanes;
constexpr int batch = 20;
/** A time is the best of as many runs as fit in here, and of no less than three. */
constexpr double patienceSeconds = 0.3;

std::vector<float> randomNumbers(size_t count) {
  static uint32_t state = 1;
  std::vector<float> numbers(count);
  for (float& number : numbers) {
    state = state * 1664525u + 1013904223u;
    number = static_cast<float>(state >> 8) / (1 << 23) - 1;
  }
  return numbers;
}

Range partOf(int count, const Pool& pool, int thread) {
  const sparrow::Share share = sparrow::shareOf(count, thread, pool.active());
  return {share.begin, share.end};
}

/** A matrix and the memory it is made of. */
struct Weight {
  Matrix matrix{};
  std::vector<float> values, valuesByColumn;
  std::vector<int32_t> rowStart, columnStart, rowTile, columnTile;
  std::vector<uint16_t> column, row;
  size_t active = 0;

  Weight(int rows, int columns, double density, bool sparse) {
    matrix.rows = rows;
    matrix.columns = columns;
    matrix.sparse = sparse;
    const size_t size = static_cast<size_t>(rows) * columns;
    const std::vector<float> draw = randomNumbers(size);
    const auto isActive = [&](int r, int c) { return !sparse || (draw[static_cast<size_t>(r) * columns + c] + 1) / 2 < density; };
    for (int r = 0; r < rows; r++) {
      rowStart.push_back(static_cast<int32_t>(column.size()));
      for (int c = 0; c < columns; c++) if (isActive(r, c)) column.push_back(static_cast<uint16_t>(c));
    }
    rowStart.push_back(static_cast<int32_t>(column.size()));
    for (int c = 0; c < columns; c++) {
      columnStart.push_back(static_cast<int32_t>(row.size()));
      for (int r = 0; r < rows; r++) if (isActive(r, c)) row.push_back(static_cast<uint16_t>(r));
    }
    columnStart.push_back(static_cast<int32_t>(row.size()));
    active = column.size();
    values = randomNumbers(active);
    valuesByColumn = randomNumbers(active);
    matrix.values = values.data();
    matrix.valuesByColumn = valuesByColumn.data();
    matrix.rowStart = rowStart.data();
    matrix.column = column.data();
    matrix.columnStart = columnStart.data();
    matrix.row = row.data();
    rowTile = tileStarts(rowStart, column, columns);
    columnTile = tileStarts(columnStart, row, rows);
    matrix.rowTile = rowTile.data();
    matrix.columnTile = columnTile.data();
  }
  Weight(const Weight&) = delete;
};

/** Times a kernel on all threads of a pool and prints the figure. */
class Stopwatch {
 public:
  Stopwatch(const Kernels& kernels, Pool& pool) : kernels_(kernels), pool_(pool) {}

  void time(const char* kernel, double density, double operations, const std::function<void(int)>& body) {
    double best = 1e9, total = 0;
    for (int run = 0; run < 3 || total < patienceSeconds; run++) {
      const auto begin = std::chrono::steady_clock::now();
      pool_.run(false, body);
      const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
      total += passed.count();
      if (run > 0) best = std::min(best, passed.count());  // the first one meets cold memory
    }
    std::printf("{\"kernel\":\"%s\",\"density\":%g,\"threads\":%d,\"width\":\"%s\",\"ms\":%.4f,\"gflops\":%.2f}\n", kernel, density,
                pool_.size(), kernels_.name, best * 1e3, operations / best / 1e9);
    std::fflush(stdout);
  }

 private:
  const Kernels& kernels_;
  Pool& pool_;
};

double operationsOf(const Weight& weight, int columns) { return 2.0 * static_cast<double>(weight.active) * columns; }

/** What kernels read, which never changes, and where they write, at least as large as any of them needs. */
struct Activations {
  const std::vector<float> x = randomNumbers(sparrow::blockedSize(positions, hidden));
  const std::vector<float> y = randomNumbers(sparrow::blockedSize(positions, 4 * hidden));
  const std::vector<float> panels = randomNumbers(static_cast<size_t>(sparrow::blocksOf(hidden)) * positions * sparrow::lanes);
  std::vector<float> out = randomNumbers(sparrow::blockedSize(positions, words));
};

/** The three products of a matrix over a window; a dense matrix has a kernel of its own for the last one. */
void products(const Kernels& kernels, Pool& pool, Stopwatch& watch, Activations& a, const Weight& weight, double density) {
  const Matrix& matrix = weight.matrix;
  const double operations = operationsOf(weight, positions);
  const bool sparse = matrix.sparse;
  watch.time(sparse ? "product" : "dense product", density, operations, [&](int thread) {
    kernels.forward(matrix, nullptr, a.x.data(), blocks, a.out.data(), partOf(matrix.rows, pool, thread));
  });
  watch.time(sparse ? "transposed" : "dense transposed", density, operations, [&](int thread) {
    kernels.transposed(matrix, a.y.data(), blocks, a.out.data(), partOf(matrix.columns, pool, thread));
  });
  std::vector<float> gradient(weight.active);
  watch.time(sparse ? "gradient" : "dense gradient", density, operations, [&](int thread) {
    const Range rows = partOf(matrix.rows, pool, thread);
    if (sparse) kernels.gradient(matrix, a.y.data(), a.x.data(), blocks, gradient.data(), rows);
    else kernels.denseGradient(a.y.data(), matrix.rows, a.panels.data(), positions, matrix.columns, gradient.data() + static_cast<size_t>(rows.begin) * matrix.columns, rows);
  });
}

/** One time step of a recurrence, on its own, forwards and backwards. */
void recurrence(const Kernels& kernels, Pool& pool, Stopwatch& watch, Activations& a, const Weight& weight, double density) {
  constexpr size_t slab = static_cast<size_t>(hidden) * batch;
  std::vector<float> slabs = randomNumbers(2 * slab), cells = randomNumbers(3 * slab), dc(slab), dz = randomNumbers(8 * slab);
  std::vector<float> y(2 * slab), dy = randomNumbers(2 * slab), dHidden = randomNumbers(slab);
  std::vector<float> gates = randomNumbers(8 * slab), out(slab);
  const std::vector<float> projected = randomNumbers(sparrow::blockedSize(2 * batch, 4 * hidden));
  sparrow::LstmSequence sequence{};
  sequence.steps = 2;
  sequence.batch = sequence.stride = batch;
  sequence.size = hidden;
  sequence.recurrent = &weight.matrix;
  sequence.projected = projected.data();
  sequence.gates = gates.data();
  sequence.out = out.data();
  sequence.hidden = slabs.data();
  sequence.cells = cells.data();
  sequence.y = y.data();
  sequence.dy = dy.data();
  sequence.dHidden = dHidden.data();
  sequence.dc = dc.data();
  sequence.dz = dz.data();
  sequence.dGates = a.out.data();
  const std::string kind = weight.matrix.sparse ? "" : "dense ";
  const double operations = operationsOf(weight, batch);
  watch.time((kind + "recurrent forward").c_str(), density, operations, [&](int thread) {
    kernels.lstmForward(sequence, 0, partOf(hidden, pool, thread));
  });
  watch.time((kind + "recurrent backward").c_str(), density, operations, [&](int thread) {
    kernels.lstmBackward(sequence, 0, partOf(hidden, pool, thread));
  });
}

/** Products of all pairs of positions, of which the norm of a dense gradient is made: for as many units as the engine takes at a time. */
void gram(const Kernels& kernels, Pool& pool, Stopwatch& watch, const Activations& a) {
  constexpr int pairs = blocks * (blocks + 1) / 2;
  constexpr int tile = sparrow::lanes * sparrow::lanes;
  constexpr int units = sparrow::gramUnits;
  std::vector<double> norms(pool.size());
  watch.time("gram norm", 1, 2.0 * pairs * tile * (2 * units), [&](int thread) {
    alignas(64) static thread_local double ofY[tile], ofX[tile];
    int pair = 0;
    for (int first = 0; first < blocks; first++) {
      for (int second = first; second < blocks; second++, pair++) {
        if (pair % pool.active() != thread) continue;
        const auto at = [](const std::vector<float>& all, int block) { return all.data() + static_cast<size_t>(block) * units * sparrow::lanes; };
        kernels.gram(at(a.y, first), at(a.y, second), units, ofY, false);
        kernels.gram(at(a.x, first), at(a.x, second), units, ofX, false);
        norms[thread] += kernels.gramProduct(ofY, ofX);
      }
    }
  });
}

void update(const Kernels& kernels, Pool& pool, Stopwatch& watch, double density) {
  const size_t count = static_cast<size_t>(density * 4 * hidden * hidden);
  std::vector<float> w = randomNumbers(count), g = randomNumbers(count);
  watch.time("update", density, 5.0 * static_cast<double>(count), [&](int thread) {
    const Range mine = partOf(static_cast<int>(count), pool, thread);
    kernels.sgd(w.data(), g.data(), nullptr, 1e-3f, 1e-6f, 1e-3f, mine.begin, mine.end);
  });
}

std::vector<double> numbersIn(const char* list) {
  std::vector<double> numbers;
  std::stringstream stream(list);
  for (std::string number; std::getline(stream, number, ',');) numbers.push_back(std::atof(number.c_str()));
  return numbers;
}

}  // namespace

/** kernels_bench DENSITIES THREADS, both lists with commas. */
int main(int count, char** arguments) {
  if (count != 3) return EXIT_FAILURE;
  const Kernels& kernels = *sparrow::runnableKernels().back();
  Activations activations;
  for (const double threads : numbersIn(arguments[2])) {
    Pool pool(static_cast<int>(threads));
    Stopwatch watch(kernels, pool);
    {
      const Weight dense(4 * hidden, hidden, 1, false);
      products(kernels, pool, watch, activations, dense, 1);
      const Weight recurrent(4 * hidden, hidden, 1, false);
      recurrence(kernels, pool, watch, activations, recurrent, 1);
    }
    gram(kernels, pool, watch, activations);
    for (const double density : numbersIn(arguments[1])) {
      const Weight sparse(4 * hidden, hidden, density, true);
      products(kernels, pool, watch, activations, sparse, density);
      recurrence(kernels, pool, watch, activations, sparse, density);
      const Weight decoder(words, hidden, density, true);
      watch.time("decoder product", density, operationsOf(decoder, positions), [&](int thread) {
        kernels.forward(decoder.matrix, nullptr, activations.x.data(), blocks, activations.out.data(), partOf(words, pool, thread));
      });
      update(kernels, pool, watch, density);
    }
  }
  return EXIT_SUCCESS;
}
