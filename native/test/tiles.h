#pragma once
#include <cstdint>
#include <vector>
#include "../src/kernels.h"

/** Where the tiles of a matrix's rows (or columns) begin, as kernels take them: [tilesOf(units) + 1][lines]. */
template <typename Index>
std::vector<int32_t> tileStarts(const std::vector<int32_t>& start, const std::vector<Index>& index, int units) {
  const size_t lines = start.size() - 1;
  std::vector<int32_t> tiles((sparrow::tilesOf(units) + 1) * lines);
  for (size_t line = 0; line < lines; line++) {
    int32_t entry = start[line];
    for (int tile = 0; tile <= sparrow::tilesOf(units); tile++) {
      while (entry < start[line + 1] && static_cast<int>(index[entry]) < tile * sparrow::tileUnits) entry++;
      tiles[tile * lines + line] = entry;
    }
  }
  return tiles;
}
