// What cells over a window have in common: the two sums of a step, and where its results go. A *step* here is one depth of one time
// step: all cells but the recurrent highway network have a depth of 1.

/** One chunk of lanes of a step: arrays are flat, [units][width]; gates are `gate` numbers apart. */
struct CellStep {
  Range units;
  int width;
  /** The numbers of the units, and of all units. */
  size_t begin;
  size_t end;
  size_t gate;
  /** u + v, but for the rows of which u is apart. */
  const float* sums;
  const float* apart;
  const float* before;
  float* after;
  const float* cellBefore;
  float* cellAfter;
  float* kept;
  int masters;
  int chunk;
  /** Gradient of the state after the step; of what reaches the state before past the product; before the non-linearities; its u apart. */
  const float* dh;
  float* dc;
  float* carry;
  float* dz;
  float* dApart;
  /** [2 size][width]: gradients of the master input and the master forget gate of every unit. */
  float* dMasters;
};

inline size_t flatSize(const CellSequence& s, int units) { return static_cast<size_t>(units) * s.stride; }

inline CellStep cellStepAt(const CellSequence& s, int step, Range units, const Chunk& chunk) {
  const size_t from = static_cast<size_t>(chunk.from);
  const int time = step / s.depth;
  CellStep c{};
  c.units = units;
  c.width = chunk.width;
  c.begin = static_cast<size_t>(units.begin) * chunk.width;
  c.end = static_cast<size_t>(units.end) * chunk.width;
  c.gate = static_cast<size_t>(s.size) * chunk.width;
  c.sums = s.sums + from * s.rows;
  c.apart = s.apartSums + from * (s.rows - s.apart);
  c.before = s.states + flatSize(s, s.size) * step + from * s.size;
  c.after = s.states + flatSize(s, s.size) * (step + 1) + from * s.size;
  if (s.cells != nullptr) {
    c.cellBefore = s.cells + flatSize(s, s.size) * time + from * s.size;
    c.cellAfter = s.cells + flatSize(s, s.size) * (time + 1) + from * s.size;
  }
  c.kept = s.kept + flatSize(s, s.keptUnits) * step + from * s.keptUnits;
  c.masters = s.masters;
  c.chunk = s.chunk;
  c.dh = s.dh + from * s.size;
  c.dc = s.dc + from * s.size;
  c.carry = s.carry + from * s.size;
  c.dz = s.dz + from * s.rows;
  c.dApart = s.dApart + from * (s.rows - s.apart);
  c.dMasters = s.dMasters + from * 2 * s.size;
  return c;
}

/** v = U h + b for some rows, and u = W x + b added to it where it is not apart. */
void cellSums(const CellSequence& s, int step, Range rows) {
  const int time = step / s.depth;
  const int depth = step % s.depth;
  for (int from = 0; from < s.stride; from += lanes) {
    const Chunk chunk = chunkAt(from, s.batch, s.stride);
    const int width = chunk.width;
    float* sums = s.sums + static_cast<size_t>(from) * s.rows;
    for (int row = rows.begin; row < rows.end; row++) {
      const float bias = s.biases[depth][row];
      for (int lane = 0; lane < width; lane++) sums[static_cast<size_t>(row) * width + lane] = bias;
    }
    addForward(s.recurrent[depth], s.slab + flatSize(s, s.size) * (step % 2) + static_cast<size_t>(from) * s.size, width, sums, {rows, 1, 0});
    if (depth > 0) continue;
    alignas(64) float u[lanes] = {};
    for (int row = rows.begin; row < rows.end; row++) {
      fromBlocks(s.projected, s.rows, row, time * s.batch + from, chunk.filled, u);
      if (row >= s.apart) {
        copyLanes(s.apartSums + static_cast<size_t>(from) * (s.rows - s.apart) + static_cast<size_t>(row - s.apart) * width, u, width);
      } else {
        float* to = sums + static_cast<size_t>(row) * width;
        for (int lane = 0; lane < width; lane++) to[lane] += u[lane];
      }
    }
  }
}

/** Gradient of the state after a step, or before the first one (step -1): from above, from the carried state and through the product. */
void cellHidden(const CellSequence& s, int step, Range units) {
  for (int from = 0; from < s.stride; from += lanes) {
    const Chunk chunk = chunkAt(from, s.batch, s.stride);
    const int width = chunk.width;
    const size_t start = static_cast<size_t>(from) * s.size;
    const size_t begin = static_cast<size_t>(units.begin) * width;
    const size_t end = static_cast<size_t>(units.end) * width;
    float* dh = s.dh + start;
    std::memset(dh + begin, 0, (end - begin) * sizeof(float));
    if (step == s.steps * s.depth - 1) {
      turnIn<false>(s.dHidden + start, s.size, chunk.filled, width, dh, units);
    } else {
      const int next = step + 1;
      addTransposed(s.recurrent[next % s.depth], s.dzSlab + flatSize(s, s.rows) * (next % 2) + static_cast<size_t>(from) * s.rows, width, dh, units);
      const float* carry = s.carry + start;
      const float* mask = s.mask == nullptr ? nullptr : s.mask + start;
      byVectors(begin, end, [&](size_t at, int count) {
        const Vector product = loadSome(dh + at, count);
        const Vector seen = mask == nullptr ? product : product * loadSome(mask + at, count);
        storeSome(dh + at, seen + loadSome(carry + at, count), count);
      });
    }
    if (step < 0) turnOut(dh, s.size, chunk.filled, width, s.dInitial + start, units);
    else if (step % s.depth == s.depth - 1) {
      turnIn<true>(s.dy + static_cast<size_t>(step / s.depth * s.batch + from) * s.size, s.size, chunk.filled, width, dh, units);
    }
  }
}

/** Where the gradient of one row of a step goes: to the product of the step before, and among those of the window. */
inline void keepRow(const CellSequence& s, int step, const Chunk& chunk, int row, const float* dv, const float* du) {
  const int depth = step % s.depth;
  const int position = step / s.depth * s.batch + chunk.from;
  toSlab(s.dzSlab + flatSize(s, s.rows) * (step % 2) + static_cast<size_t>(chunk.from) * s.rows, s.rows, row, chunk.width, dv);
  toBlocks(s.dRecurrent + depth * blockedSize(s.steps * s.batch, s.rows), s.rows, row, position, chunk.filled, dv);
  if (depth == 0 && s.dInput != s.dRecurrent) toBlocks(s.dInput, s.rows, row, position, chunk.filled, du);
}
