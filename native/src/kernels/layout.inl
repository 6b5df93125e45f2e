// Activations into blocks of 64 positions and back.

void pack(const float* x, int positions, int units, float* blocked, Range range) {
  for (int block = 0; block < blocksOf(positions); block++) {
    const int first = block * lanes;
    const int filled = positions - first < lanes ? positions - first : lanes;
    float* to = blocked + static_cast<size_t>(block) * units * lanes;
    for (int unit = range.begin; unit < range.end; unit += 16) {
      const int width = range.end - unit < 16 ? range.end - unit : 16;
      for (int lane = 0; lane < filled; lane++) {
        const float* from = x + static_cast<size_t>(first + lane) * units + unit;
        for (int i = 0; i < width; i++) to[static_cast<size_t>(unit + i) * lanes + lane] = from[i];
      }
      for (int i = 0; i < width; i++) {
        for (int lane = filled; lane < lanes; lane++) to[static_cast<size_t>(unit + i) * lanes + lane] = 0;
      }
    }
  }
}

void unpack(const float* blocked, int positions, int units, float* x, Range range) {
  for (int block = 0; block < blocksOf(positions); block++) {
    const int first = block * lanes;
    const int filled = positions - first < lanes ? positions - first : lanes;
    const float* from = blocked + static_cast<size_t>(block) * units * lanes;
    for (int unit = range.begin; unit < range.end; unit += 16) {
      const int width = range.end - unit < 16 ? range.end - unit : 16;
      for (int lane = 0; lane < filled; lane++) {
        float* to = x + static_cast<size_t>(first + lane) * units + unit;
        for (int i = 0; i < width; i++) to[i] = from[static_cast<size_t>(unit + i) * lanes + lane];
      }
    }
  }
}
