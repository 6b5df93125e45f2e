// Products with sparse matrices.

/**
 * The lines of a sparse matrix, its rows or its columns: line l has the entries start[l] .. start[l + 1], whose index is ascending and
 * below `units`. Tile t of a line, the indices from t * tileUnits on, begins at tile[t * lines + l].
 */
template <typename Index>
struct Lines {
  int lines;
  int units;
  const int32_t* start;
  const Index* index;
  const float* values;
  const int32_t* tile;

  /** Entries of some tiles of a line. */
  int32_t at(int tiles, int line) const {
    if (tiles == 0 || tile == nullptr) return start[tiles == 0 ? line : line + 1];
    return tile[static_cast<size_t>(tiles) * lines + line];
  }
  /** How many tiles go together: as many as give a line this many entries on average, or all. */
  int tilesFor(int entries) const {
    if (tile == nullptr) return tilesOf(units);
    const double each = static_cast<double>(start[lines]) / lines / tilesOf(units);
    int together = 1;
    while (together < tilesOf(units) && together * each < entries) together++;
    return together;
  }
};

template <typename Index>
Lines<Index> rowsOf(const Matrix& m) {
  return {m.rows, m.columns, m.rowStart, static_cast<const Index*>(m.column), m.values, m.rowTile};
}

template <typename Index>
Lines<Index> columnsOf(const Matrix& m) {
  return {m.columns, m.rows, m.columnStart, static_cast<const Index*>(m.row), m.valuesByColumn, m.columnTile};
}

/** Entries of a line in a tile below which coming and going costs more than the cache gives. */
constexpr int shortRun = 16;

/** Lines ahead of the one at hand whose entries are asked for: in tiles they are short runs, which no hardware foresees. */
constexpr int ahead = 3;

/** Asks for the first 16 `Count` entries from one on: always as many, since a loop that is told would cost more. */
template <int Count, typename Index>
inline void prefetch(const Lines<Index>& of, int32_t entry) {
  for (int i = 0; i < Count; i++) __builtin_prefetch(of.values + entry + 16 * i);
  constexpr int perLine = 64 / static_cast<int>(sizeof(Index));
  for (int i = 0; i < 16 * Count; i += perLine) __builtin_prefetch(of.index + entry + i);
}

/**
 * out[line] = bias + sum over the entries of a line of value * in[index], in one block. Tile by tile, so that what entries read stays
 * in the first-level cache while all lines pass over it.
 */
template <typename Index>
void sparseProduct(const Lines<Index>& of, int together, const float* bias, const float* in, float* out, Range lines) {
  const int tiles = tilesOf(of.units);
  for (int tile = 0; tile < tiles; tile += together) {
    const int next = tile + together < tiles ? tile + together : tiles;
    for (int line = lines.begin; line < lines.end; line++) {
      float* to = out + static_cast<size_t>(line) * lanes;
      Vector a, b, c, d;
      if (tile == 0) {
        a = b = c = d = all(bias == nullptr ? 0 : bias[line]);
      } else {
        a = load(to);
        b = load(to + 16);
        c = load(to + 32);
        d = load(to + 48);
      }
      const int32_t end = of.at(next, line);
      if (line + ahead < lines.end) prefetch<3>(of, of.at(tile, line + ahead));
      for (int32_t k = of.at(tile, line); k < end; k++) {
        const float* x = in + static_cast<size_t>(of.index[k]) * lanes;
        const Vector value = all(of.values[k]);
        a += value * load(x);
        b += value * load(x + 16);
        c += value * load(x + 32);
        d += value * load(x + 48);
      }
      store(to, a);
      store(to + 16, b);
      store(to + 32, c);
      store(to + 48, d);
    }
  }
}

/** The same in all blocks. */
template <typename Index>
void sparseProducts(const Lines<Index>& of, const float* bias, const float* in, int blocks, float* out, Range lines) {
  const int together = of.tilesFor(shortRun);
  for (int block = 0; block < blocks; block++) {
    sparseProduct(of, together, bias, in + static_cast<size_t>(block) * of.units * lanes,
                  out + static_cast<size_t>(block) * of.lines * lanes, lines);
  }
}

/** gradient[k] (+)= <y[row], x[column of k]> over `Blocks` blocks, for the entries of some rows. */
template <typename Index, int Blocks>
void sampledProduct(const Lines<Index>& of, const float* y, const float* x, float* gradient, Range rows, bool first) {
  const size_t yBlock = static_cast<size_t>(of.lines) * lanes;
  const size_t xBlock = static_cast<size_t>(of.units) * lanes;
  for (int row = rows.begin; row < rows.end; row++) {
    Vector g[4 * Blocks];
    for (int block = 0; block < Blocks; block++) {
      for (int i = 0; i < 4; i++) g[4 * block + i] = load(y + block * yBlock + static_cast<size_t>(row) * lanes + 16 * i);
    }
    const auto product = [&](int k) {
      const float* from = x + static_cast<size_t>(of.index[k]) * lanes;
      Vector sum = g[0] * load(from);
      for (int i = 1; i < 4; i++) sum += g[i] * load(from + 16 * i);
      for (int block = 1; block < Blocks; block++) {
        for (int i = 0; i < 4; i++) sum += g[4 * block + i] * load(from + block * xBlock + 16 * i);
      }
      return sum;
    };
    int k = of.start[row];
    const int end = of.start[row + 1];
    for (; k + 16 <= end; k += 16) {
      Vector sums[16];
      for (int i = 0; i < 16; i++) sums[i] = product(k + i);
      const Vector total = sumEach(sums);
      store(gradient + k, first ? total : load(gradient + k) + total);
    }
    if (k == end) continue;
    Vector sums[16] = {};
    for (int i = 0; k + i < end; i++) sums[i] = product(k + i);
    const Vector total = sumEach(sums);
    for (int i = 0; k + i < end; i++) gradient[k + i] = first ? total[i] : gradient[k + i] + total[i];
  }
}

template <typename Index>
void sparseGradient(const Lines<Index>& of, const float* y, const float* x, int blocks, float* gradient, Range rows) {
  const size_t yBlock = static_cast<size_t>(of.lines) * lanes;
  const size_t xBlock = static_cast<size_t>(of.units) * lanes;
  int block = 0;
  for (; block + 3 <= blocks; block += 3) {
    sampledProduct<Index, 3>(of, y + block * yBlock, x + block * xBlock, gradient, rows, block == 0);
  }
  if (blocks - block == 2) sampledProduct<Index, 2>(of, y + block * yBlock, x + block * xBlock, gradient, rows, block == 0);
  if (blocks - block == 1) sampledProduct<Index, 1>(of, y + block * yBlock, x + block * xBlock, gradient, rows, block == 0);
}
