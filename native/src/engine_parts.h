#pragma once
#include <algorithm>
#include <cstddef>
#include "kernels.h"

// What the engine's parts have in common.
namespace sparrow {

/** Numbers of one share of a reduction: fixed, so that the order of a sum does not depend on the threads. */
constexpr int shareOfSum = 1 << 16;

/** Words whose exponentials are summed together, and rows of a whole gradient that are there at a time: fixed, likewise. */
constexpr int shareOfWords = 128;
constexpr int rowsAtATime = 16;

/** Blocks of a group, and units of which the products of two groups are summed at a time: 768 KiB. */
constexpr int gramBlocks = 6;
constexpr int gramUnits = 256;

/** Multiplications and additions below which waking the other threads costs more than they save. */
constexpr double smallWork = 1e6;

inline size_t storedIn(const Matrix& weight) {
  return weight.sparse ? weight.rowStart[weight.rows] : static_cast<size_t>(weight.rows) * weight.columns;
}

/** Where chunks of up to 64 lanes have a lane of a unit, [units][lanes of the chunk]. */
inline size_t flatIndex(int units, int stride, int unit, int lane) {
  const int chunk = lane / lanes * lanes;
  return static_cast<size_t>(chunk) * units + static_cast<size_t>(unit) * std::min(stride - chunk, lanes) + (lane - chunk);
}

/** Where a slab has it: see toSlab of the kernels. */
inline size_t slabIndex(int units, int stride, int unit, int lane) {
  const int chunk = lane / lanes * lanes;
  const int width = std::min(stride - chunk, lanes);
  const int inChunk = lane - chunk;
  const int grouped = width / 16 * 16;
  const size_t start = static_cast<size_t>(chunk) * units;
  if (inChunk < grouped) return start + static_cast<size_t>(inChunk / 16 * 16) * units + unit * 16 + inChunk % 16;
  return start + static_cast<size_t>(grouped) * units + static_cast<size_t>(unit) * (width - grouped) + (inChunk - grouped);
}

inline bool isSmall(double work) { return work < smallWork; }

inline bool isSmall(const Matrix& weight, int positions) { return isSmall(static_cast<double>(storedIn(weight)) * positions); }

/** Pieces of an engine's scratch memory, by what they hold. */
enum Scratch {
  inputBlocks, outputBlocks, columnOrder, secondColumnOrder, hiddenBlocks, hiddenBefore, stepHidden, stepOut, stepDz, stepDc,
  inPanels, sketchBlocks, wholeRows, ofLanes, ofTargets, wordSums, biases, sums, gramTables, stepSums, stepApart, stepCarry, stepMasters,
  stepMask, seenRows, recurrentBlocks, columnOrders, pieceCount
};

}  // namespace sparrow
