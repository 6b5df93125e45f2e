// A step of any cell for some of its units, forward and back.

void cellForward(const CellSequence& s, int step, Range units) {
  for (int from = 0; from < s.stride; from += lanes) {
    const Chunk chunk = chunkAt(from, s.batch, s.stride);
    const CellStep c = cellStepAt(s, step, units, chunk);
    switch (s.cell) {
      case Cell::elman: elmanForward(c); break;
      case Cell::gru: gruForward(c); break;
      case Cell::rhn: rhnForward(c); break;
      case Cell::onLstm: onLstmForward(c); break;
    }
    const size_t start = static_cast<size_t>(from) * s.size;
    float* slab = s.slab + flatSize(s, s.size) * ((step + 1) % 2) + start;
    for (int unit = units.begin; unit < units.end; unit++) {
      const size_t at = static_cast<size_t>(unit) * c.width;
      const float* seen = c.after + at;
      alignas(64) float dropped[lanes];
      if (s.mask != nullptr) {
        for (int lane = 0; lane < c.width; lane++) dropped[lane] = seen[lane] * s.mask[start + at + lane];
        seen = dropped;
      }
      toSlab(slab, s.size, unit, c.width, seen);
    }
    if (step % s.depth < s.depth - 1) continue;
    turnOut(c.after, s.size, chunk.filled, c.width, s.y + static_cast<size_t>(step / s.depth * s.batch + from) * s.size, units);
  }
}

void cellMastersForward(const CellSequence& s, int step) {
  for (int from = 0; from < s.stride; from += lanes) mastersForward(cellStepAt(s, step, {0, 0}, chunkAt(from, s.batch, s.stride)));
}

void cellBackward(const CellSequence& s, int step, Range units) {
  const int firstGate = 2 * s.masters;
  const int gates = (s.rows - firstGate) / s.size;
  for (int from = 0; from < s.stride; from += lanes) {
    const Chunk chunk = chunkAt(from, s.batch, s.stride);
    const CellStep c = cellStepAt(s, step, units, chunk);
    switch (s.cell) {
      case Cell::elman: elmanBackward(c); break;
      case Cell::gru: gruBackward(c); break;
      case Cell::rhn: rhnBackward(c); break;
      case Cell::onLstm: onLstmBackward(c); break;
    }
    for (int gate = 0; gate < gates; gate++) {
      for (int unit = units.begin; unit < units.end; unit++) {
        const int row = firstGate + gate * s.size + unit;
        const float* dv = c.dz + static_cast<size_t>(row) * c.width;
        keepRow(s, step, chunk, row, dv, row < s.apart ? dv : c.dApart + static_cast<size_t>(row - s.apart) * c.width);
      }
    }
    // What the recurrent matrix saw, for its gradient.
    float* seen = s.seen + (static_cast<size_t>(step % s.depth) * s.steps * s.batch + step / s.depth * s.batch + from) * s.size;
    turnOut(c.before, s.size, chunk.filled, c.width, seen, units);
    if (s.mask == nullptr) continue;
    const float* mask = s.mask + static_cast<size_t>(from) * s.size;
    for (int lane = 0; lane < chunk.filled; lane++) {
      float* row = seen + static_cast<size_t>(lane) * s.size;
      for (int unit = units.begin; unit < units.end; unit++) row[unit] *= mask[static_cast<size_t>(unit) * c.width + lane];
    }
  }
}

void cellMastersBackward(const CellSequence& s, int step) {
  for (int from = 0; from < s.stride; from += lanes) {
    const Chunk chunk = chunkAt(from, s.batch, s.stride);
    const CellStep c = cellStepAt(s, step, {0, 0}, chunk);
    mastersBackward(c);
    for (int row = 0; row < 2 * s.masters; row++) {
      const float* dv = c.dz + static_cast<size_t>(row) * c.width;
      keepRow(s, step, chunk, row, dv, dv);
    }
  }
}
