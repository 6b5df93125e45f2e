#include <algorithm>
#include <cstring>

#include "engine.h"
#include "engine_parts.h"

// Layers of the cells beside the LSTM: one walk over the steps of a window for all of them.
namespace sparrow {

namespace {

/** [batch, units] to flat lanes, or a slab; lanes beyond the batch are 0. */
template <typename Index>
void spread(const float* rows, int batch, int units, int stride, float* to, const Index& index) {
  for (int lane = 0; lane < stride; lane++) {
    for (int unit = 0; unit < units; unit++) {
      to[index(units, stride, unit, lane)] = lane < batch ? rows[static_cast<size_t>(lane) * units + unit] : 0;
    }
  }
}

void collect(const float* flat, int batch, int units, int stride, float* rows) {
  for (int lane = 0; lane < batch; lane++) {
    for (int unit = 0; unit < units; unit++) rows[static_cast<size_t>(lane) * units + unit] = flat[flatIndex(units, stride, unit, lane)];
  }
}

}  // namespace

CellSequence Engine::sequenceOf(const CellWindow& w, int depth) {
  CellSequence s{};
  s.cell = w.cell;
  s.steps = w.steps;
  s.depth = depth;
  s.batch = w.batch;
  s.size = w.size;
  s.rows = cellRows(w.cell, w.size, w.chunk);
  s.stride = strideOf(w.batch);
  s.apart = w.cell == Cell::gru ? 2 * w.size : s.rows;
  s.masters = w.cell == Cell::onLstm ? w.size / w.chunk : 0;
  s.chunk = w.chunk;
  s.states = w.states;
  s.cells = w.cell == Cell::onLstm ? w.cells : nullptr;
  s.kept = w.kept;
  s.keptUnits = cellKeptUnits(w.cell, w.size, w.chunk);
  const size_t slab = static_cast<size_t>(w.size) * s.stride;
  if (w.mask != nullptr) {
    float* mask = scratch(stepMask, slab);
    spread(w.mask, w.batch, w.size, s.stride, mask, flatIndex);
    s.mask = mask;
  }
  s.apartSums = s.dApart = scratch(stepApart, static_cast<size_t>(s.rows - s.apart) * s.stride);
  s.sums = s.dz = scratch(stepSums, static_cast<size_t>(s.rows) * s.stride);
  s.slab = scratch(stepHidden, 2 * slab);
  s.dh = scratch(stepOut, slab);
  s.dc = scratch(stepDc, slab);
  s.carry = scratch(stepCarry, slab);
  s.dMasters = scratch(stepMasters, 2 * slab);
  return s;
}

void Engine::cellForward(const Matrix& input, const float* inputBias, const std::vector<Recurrent>& recurrent, const CellWindow& w,
                         float* hiddenAfter, float* cellAfter) {
  const int depth = static_cast<int>(recurrent.size());
  const int positions = w.steps * w.batch;
  CellSequence s = sequenceOf(w, depth);
  const size_t slab = static_cast<size_t>(w.size) * s.stride;
  float* in = scratch(inputBlocks, blockedSize(positions, w.inputs));
  packAll(w.x, positions, w.inputs, in);
  float* projected = scratch(outputBlocks, blockedSize(positions, s.rows));
  spread(w.hidden, w.batch, w.size, s.stride, s.states, flatIndex);
  if (s.cells != nullptr) spread(w.cellState, w.batch, w.size, s.stride, s.cells, flatIndex);
  for (int lane = 0; lane < s.stride; lane++) {
    for (int unit = 0; unit < w.size; unit++) {
      const size_t flat = flatIndex(w.size, s.stride, unit, lane);
      s.slab[slabIndex(w.size, s.stride, unit, lane)] = s.states[flat] * (s.mask == nullptr ? 1 : s.mask[flat]);
    }
  }
  std::vector<Matrix> matrices;
  std::vector<const float*> biases;
  size_t largest = 0;
  for (const Recurrent& of : recurrent) {
    matrices.push_back(of.weight);
    biases.push_back(of.bias);
    largest = std::max(largest, storedIn(of.weight));
  }
  s.recurrent = matrices.data();
  s.biases = biases.data();
  s.projected = projected;
  s.y = w.y;
  pool_.run(isSmall(input, positions), [&](int thread) {
    kernels_.forward(input, inputBias, in, blocksOf(positions), projected, balanced(input, false, thread));
  });
  // What counts is a step between two barriers.
  pool_.run(isSmall(10.0 * largest * s.stride), [&](int thread) {
    for (int step = 0; step < w.steps * depth; step++) {
      kernels_.cellSums(s, step, balanced(s.recurrent[step % depth], false, thread));
      pool_.barrier();
      if (s.masters > 0) {
        if (thread == 0) kernels_.cellMastersForward(s, step);
        pool_.barrier();
      }
      kernels_.cellForward(s, step, part(w.size, thread));
      pool_.barrier();
    }
  });
  std::memcpy(hiddenAfter, w.y + static_cast<size_t>(positions - w.batch) * w.size, sizeof(float) * w.batch * w.size);
  if (s.cells != nullptr) collect(s.cells + slab * w.steps, w.batch, w.size, s.stride, cellAfter);
}

void Engine::cellBackward(const Matrix& input, const int32_t* inputSource, const std::vector<Recurrent>& recurrent, const CellWindow& w,
                          const CellGradients& g) {
  const int depth = static_cast<int>(recurrent.size());
  const int positions = w.steps * w.batch;
  const int blocks = blocksOf(positions);
  CellSequence s = sequenceOf(w, depth);
  const Matrix inputBoth = withColumns(input, inputSource, columnOrder);
  size_t stored = 0;
  size_t largest = 0;
  for (const Recurrent& of : recurrent) {
    stored += storedIn(of.weight);
    largest = std::max(largest, storedIn(of.weight));
  }
  // Every depth has its own; each call of withColumns would take the memory of the one before.
  float* byColumn = scratch(columnOrders, stored);
  std::vector<Matrix> matrices;
  for (const Recurrent& of : recurrent) {
    matrices.push_back(withColumns(of.weight, of.source, secondColumnOrder));
    std::memcpy(byColumn, matrices.back().valuesByColumn, sizeof(float) * storedIn(of.weight));
    matrices.back().valuesByColumn = byColumn;
    byColumn += storedIn(of.weight);
  }
  s.recurrent = matrices.data();
  const size_t ofDepth = blockedSize(positions, s.rows);
  s.dRecurrent = scratch(recurrentBlocks, ofDepth * depth);
  s.dInput = s.apart < s.rows ? scratch(outputBlocks, ofDepth) : s.dRecurrent;
  // Lanes beyond the last position.
  const size_t last = static_cast<size_t>(blocks - 1) * s.rows * lanes;
  for (int d = 0; d < depth; d++) std::memset(s.dRecurrent + d * ofDepth + last, 0, sizeof(float) * s.rows * lanes);
  std::memset(s.dInput + last, 0, sizeof(float) * s.rows * lanes);
  if (s.cells != nullptr) spread(g.dCellAfter, w.batch, w.size, s.stride, s.dc, flatIndex);
  s.dy = g.dy;
  s.dHidden = g.dHiddenAfter;
  s.dInitial = g.dHidden;
  s.dzSlab = scratch(stepDz, 2 * static_cast<size_t>(s.rows) * s.stride);
  s.seen = scratch(seenRows, static_cast<size_t>(depth) * positions * w.size);
  pool_.run(isSmall(10.0 * largest * s.stride), [&](int thread) {
    const Range units = part(w.size, thread);
    for (int step = w.steps * depth - 1; step >= 0; step--) {
      kernels_.cellHidden(s, step, units);
      kernels_.cellBackward(s, step, units);
      pool_.barrier();
      if (s.masters == 0) continue;
      if (thread == 0) kernels_.cellMastersBackward(s, step);
      pool_.barrier();
    }
    kernels_.cellHidden(s, -1, units);
  });
  if (s.cells != nullptr) collect(s.dc, w.batch, w.size, s.stride, g.dCell);
  float* in = scratch(inputBlocks, blockedSize(positions, w.inputs));
  pool_.run(isSmall(input, positions), [&](int thread) {
    const Range rows = part(s.rows, thread);
    kernels_.rowSums(s.dInput, s.rows, blocks, g.dInputBias, rows);
    for (int d = 0; d < depth; d++) kernels_.rowSums(s.dRecurrent + d * ofDepth, s.rows, blocks, recurrent[d].dBias, rows);
    kernels_.transposed(inputBoth, s.dInput, blocks, in, balanced(input, true, thread));
  });
  unpackAll(in, positions, w.inputs, g.dx);
  const auto ofRecurrent = [&](int d) -> Gradient {
    const Recurrent& of = recurrent[d];
    return {of.weight, s.seen + static_cast<size_t>(d) * positions * w.size, hiddenBlocks, of.dWeight, of.whole};
  };
  const Gradient ofInput = {input, w.x, inputBlocks, g.dInput, g.wholeInput};
  if (s.dInput == s.dRecurrent) gradients(s.dRecurrent, positions, {ofInput, ofRecurrent(0)});
  else gradients(s.dInput, positions, {ofInput});
  for (int d = s.dInput == s.dRecurrent ? 1 : 0; d < depth; d++) gradients(s.dRecurrent + d * ofDepth, positions, {ofRecurrent(d)});
}

}  // namespace sparrow
