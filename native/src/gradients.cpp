#include "engine.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine_parts.h"

// Gradients of weight matrices from those of their outputs, and what is asked of the whole of them.
namespace sparrow {

void Engine::gramNorms(const float* y, int yUnits, const Factor* factors, size_t count, int blocks) {
  constexpr size_t ofTable = lanes * lanes;
  const int pairs = blocks * (blocks + 1) / 2;
  double work = 0;
  for (size_t i = 0; i < count; i++) work += yUnits + factors[i].units;
  double* parts = reinterpret_cast<double*>(scratch(sums, 2 * count * pairs));
  double* tables = reinterpret_cast<double*>(scratch(gramTables, 2 * 2 * gramBlocks * gramBlocks * ofTable));
  // All pairs of two groups of blocks, from few units at a time: these stay in the second-level cache while each block is
  // multiplied by the others, and there are never more tables than such pairs.
  const auto square = [&](int first, int second, int begun, int thread) {
    const auto table = [&](int pair, bool ofX) { return tables + (2 * pair + (ofX ? 1 : 0)) * ofTable; };
    int pair = 0;
    const auto pairsOfThread = [&](const auto& each) {
      pair = 0;
      for (int i = first; i < std::min(first + gramBlocks, blocks); i++) {
        for (int j = std::max(i, second); j < std::min(second + gramBlocks, blocks); j++, pair++) {
          if (pair % pool_.active() == thread) each(i, j);
        }
      }
    };
    const auto multiply = [&](const float* all, int units, bool ofX) {
      for (int from = 0; from < units; from += gramUnits) {
        const auto at = [&](int block) { return all + (static_cast<size_t>(block) * units + from) * lanes; };
        const int now = std::min(gramUnits, units - from);
        pairsOfThread([&](int i, int j) { kernels_.gram(at(i), at(j), now, table(pair, ofX), from > 0); });
      }
    };
    multiply(y, yUnits, false);
    for (size_t x = 0; x < count; x++) {
      multiply(factors[x].blocked, factors[x].units, true);
      pairsOfThread([&](int i, int j) {
        parts[x * pairs + begun + pair] = kernels_.gramProduct(table(pair, false), table(pair, true)) * (i == j ? 1 : 2);
      });
    }
    return pair;
  };
  pool_.run(isSmall(work * pairs * lanes * lanes), [&](int thread) {
    int begun = 0;
    for (int first = 0; first < blocks; first += gramBlocks) {
      for (int second = first; second < blocks; second += gramBlocks) begun += square(first, second, begun, thread);
    }
  });
  for (size_t i = 0; i < count; i++) {
    double norm = 0;
    for (int pair = 0; pair < pairs; pair++) norm += parts[i * pairs + pair];
    *factors[i].norm = std::max(norm, 0.0);  // products of pairs cancel, and rounding may leave less than nothing
  }
}

void Engine::packPanels(const float* x, int positions, int columns, float* panels) {
  const int count = blocksOf(columns);
  pool_.run(isSmall(static_cast<double>(positions) * columns), [&](int thread) {
    const Range mine = part(positions, thread);
    for (int panel = 0; panel < count; panel++) {
      const int width = std::min(columns - panel * lanes, lanes);
      for (int position = mine.begin; position < mine.end; position++) {
        float* to = panels + (static_cast<size_t>(panel) * positions + position) * lanes;
        std::memcpy(to, x + static_cast<size_t>(position) * columns + panel * lanes, sizeof(float) * width);
        std::fill(to + width, to + lanes, 0.f);
      }
    }
  });
}

/** Whether to compute the gradient of all weights of a sparse matrix and to keep what is active, by the count of operations. */
bool Engine::wholeIsCheaper(const Matrix& weight, int positions, bool norm, int sharing) const {
  const double sampled = static_cast<double>(kernels_.sampledCost) * storedIn(weight);
  const double gram = norm ? 0.5 * positions * (static_cast<double>(weight.rows) / sharing + weight.columns) : 0;
  return static_cast<double>(weight.rows) * weight.columns < sampled + gram;
}

void Engine::wholeGradient(const Matrix& weight, const float* dy, const float* panels, int positions, float* dWeight, double* norm) {
  const int shares = (weight.rows + rowsAtATime - 1) / rowsAtATime;
  const size_t ofThread = static_cast<size_t>(rowsAtATime) * weight.columns;
  float* rows = scratch(wholeRows, ofThread * pool_.size());
  double* parts = reinterpret_cast<double*>(scratch(sums, 2 * static_cast<size_t>(shares)));
  pool_.run(isSmall(static_cast<double>(weight.rows) * weight.columns * positions), [&](int thread) {
    float* whole = rows + ofThread * thread;
    const Range mine = part(shares, thread);
    for (int share = mine.begin; share < mine.end; share++) {
      const Range range = {share * rowsAtATime, std::min(weight.rows, (share + 1) * rowsAtATime)};
      kernels_.denseGradient(dy, weight.rows, panels, positions, weight.columns, whole, range);
      if (norm != nullptr) parts[share] = kernels_.sumOfSquares(whole, 0, (range.end - range.begin) * weight.columns);
      const auto collect = [&](const auto* column) {
        for (int row = range.begin; row < range.end; row++) {
          const float* from = whole + static_cast<size_t>(row - range.begin) * weight.columns;
          for (int k = weight.rowStart[row]; k < weight.rowStart[row + 1]; k++) dWeight[k] = from[column[k]];
        }
      };
      if (weight.wide) collect(static_cast<const uint32_t*>(weight.column));
      else collect(static_cast<const uint16_t*>(weight.column));
    }
  });
  if (norm == nullptr) return;
  *norm = 0;
  for (int share = 0; share < shares; share++) *norm += parts[share];
}

void Engine::makeSketch(const Matrix& weight, const float* dy, const float* panels, int positions, const Whole& whole) {
  const int blocks = blocksOf(positions);
  Matrix signs{};
  signs.rows = whole.sketches;
  signs.columns = weight.rows;
  signs.values = whole.signs;
  // (signs dyᵀ) x: two products as narrow as there are sketches.
  float* narrow = scratch(sketchBlocks, blockedSize(positions, whole.sketches));
  pool_.run(isSmall(static_cast<double>(positions) * weight.rows), [&](int thread) {
    const Range mine = part(blocks, thread);
    for (int block = mine.begin; block < mine.end; block++) {
      kernels_.forward(signs, nullptr, dy + static_cast<size_t>(block) * weight.rows * lanes, 1,
                       narrow + static_cast<size_t>(block) * whole.sketches * lanes, {0, whole.sketches});
    }
    pool_.barrier();
    const Range rows = part(whole.sketches, thread);
    kernels_.denseGradient(narrow, whole.sketches, panels, positions, weight.columns,
                           whole.sketch + static_cast<size_t>(rows.begin) * weight.columns, rows);
  });
}

void Engine::gradients(const float* dy, int positions, std::initializer_list<Gradient> wanted) {
  std::array<Factor, 2> factors;  // no more matrices have an output in common
  size_t factored = 0;
  int sharing = 0;
  for (const Gradient& g : wanted) sharing += g.whole.norm != nullptr ? 1 : 0;
  for (const Gradient& g : wanted) {
    const Matrix& weight = g.weight;
    const bool sampled = weight.sparse && !wholeIsCheaper(weight, positions, g.whole.norm != nullptr, std::max(sharing, 1));
    float* panels = nullptr;
    if (g.whole.signs != nullptr || !sampled) {
      panels = scratch(inPanels, static_cast<size_t>(blocksOf(weight.columns)) * positions * lanes);
      packPanels(g.x, positions, weight.columns, panels);
    }
    if (g.whole.signs != nullptr) makeSketch(weight, dy, panels, positions, g.whole);
    if (sampled) {
      float* blocked = scratch(g.blocks, blockedSize(positions, weight.columns));
      packAll(g.x, positions, weight.columns, blocked);
      pool_.run(isSmall(weight, positions), [&](int thread) {
        kernels_.gradient(weight, dy, blocked, blocksOf(positions), g.dWeight, balanced(weight, false, thread));
      });
      if (g.whole.norm != nullptr) factors[factored++] = {blocked, weight.columns, g.whole.norm};
      continue;
    }
    if (weight.sparse) {
      wholeGradient(weight, dy, panels, positions, g.dWeight, g.whole.norm);
      continue;
    }
    pool_.run(isSmall(weight, positions), [&](int thread) {
      const Range mine = part(weight.rows, thread);
      kernels_.denseGradient(dy, weight.rows, panels, positions, weight.columns,
                             g.dWeight + static_cast<size_t>(mine.begin) * weight.columns, mine);
    });
    if (g.whole.norm != nullptr) *g.whole.norm = sumOfSquares(g.dWeight, weight.rows * weight.columns);
  }
  // Matrices that are used together have the gradient of their output in common, which is the larger part of the work.
  if (factored > 0) gramNorms(dy, wanted.begin()->weight.rows, factors.data(), factored, blocksOf(positions));
}

}  // namespace sparrow
