// The LSTM, step by step (S. Hochreiter, J. Schmidhuber: Long short-term memory. Neural Computation 9(8), 1997; with forget gates and
// PyTorch's order of gates):
//
//     i, f, o = sigmoid(z_i, z_f, z_o)    g = tanh(z_g)    c' = f c + i g    h' = o tanh(c')    z = W x + U h + b

void lstmForward(const LstmSequence& s, int step, Range units) {
  const size_t slab = static_cast<size_t>(s.size) * s.stride;
  for (int from = 0; from < s.stride; from += lanes) {
    const Chunk chunk = chunkAt(from, s.batch, s.stride);
    const int width = chunk.width;
    const size_t start = static_cast<size_t>(from) * s.size;
    const int position = step * s.batch + from;
    float* z = s.gates + 4 * (slab * step + start);
    for (int gate = 0; gate < 4; gate++) {
      for (int unit = units.begin; unit < units.end; unit++) {
        float* to = z + static_cast<size_t>(gate * s.size + unit) * width;
        fromBlocks(s.projected, 4 * s.size, gate * s.size + unit, position, chunk.filled, to);
        for (int lane = chunk.filled; lane < width; lane++) to[lane] = 0;
      }
    }
    addForward(*s.recurrent, s.hidden + slab * (step % 2) + start, width, z, {units, 4, s.size});

    const size_t gate = static_cast<size_t>(s.size) * width;
    const float* before = s.cells + slab * step + start;
    float* after = s.cells + slab * (step + 1) + start;
    float* out = s.out + start;
    byVectors(static_cast<size_t>(units.begin) * width, static_cast<size_t>(units.end) * width, [&](size_t at, int count) {
      const Vector i = sigmoid(loadSome(z + at, count));
      const Vector f = sigmoid(loadSome(z + gate + at, count));
      const Vector g = hyperbolicTangent(loadSome(z + 2 * gate + at, count));
      const Vector o = sigmoid(loadSome(z + 3 * gate + at, count));
      const Vector c = f * loadSome(before + at, count) + i * g;
      storeSome(z + at, i, count);
      storeSome(z + gate + at, f, count);
      storeSome(z + 2 * gate + at, g, count);
      storeSome(z + 3 * gate + at, o, count);
      storeSome(after + at, c, count);
      storeSome(out + at, o * hyperbolicTangent(c), count);
    });
    float* hidden = s.hidden + slab * ((step + 1) % 2) + start;
    for (int unit = units.begin; unit < units.end; unit++) toSlab(hidden, s.size, unit, width, out + static_cast<size_t>(unit) * width);
    turnOut(out, s.size, chunk.filled, width, s.y + static_cast<size_t>(position) * s.size, units);
  }
}

void lstmBackward(const LstmSequence& s, int step, Range units) {
  const size_t slab = static_cast<size_t>(s.size) * s.stride;
  for (int from = 0; from < s.stride; from += lanes) {
    const Chunk chunk = chunkAt(from, s.batch, s.stride);
    const int width = chunk.width;
    const size_t start = static_cast<size_t>(from) * s.size;
    const int position = step * s.batch + from;
    const size_t begin = static_cast<size_t>(units.begin) * width;
    const size_t end = static_cast<size_t>(units.end) * width;
    float* dh = s.out + start;
    std::memset(dh + begin, 0, (end - begin) * sizeof(float));
    if (step == s.steps - 1) {
      turnIn<false>(s.dHidden + start, s.size, chunk.filled, width, dh, units);
    } else {
      addTransposed(*s.recurrent, s.dz + 4 * (slab * ((step + 1) % 2) + start), width, dh, units);
    }
    turnIn<true>(s.dy + static_cast<size_t>(position) * s.size, s.size, chunk.filled, width, dh, units);

    const size_t gate = static_cast<size_t>(s.size) * width;
    float* gates = s.gates + 4 * (slab * step + start);
    const float* before = s.cells + slab * step + start;
    const float* now = s.cells + slab * (step + 1) + start;
    float* dc = s.dc + start;
    byVectors(begin, end, [&](size_t at, int count) {
      const Vector i = loadSome(gates + at, count);
      const Vector f = loadSome(gates + gate + at, count);
      const Vector g = loadSome(gates + 2 * gate + at, count);
      const Vector o = loadSome(gates + 3 * gate + at, count);
      const Vector tanhCell = hyperbolicTangent(loadSome(now + at, count));
      const Vector dHidden = loadSome(dh + at, count);
      const Vector dCell = loadSome(dc + at, count) + dHidden * o * (all(1) - tanhCell * tanhCell);
      // What comes before the non-linearities takes the place of what came after.
      storeSome(gates + at, dCell * g * i * (all(1) - i), count);
      storeSome(gates + gate + at, dCell * loadSome(before + at, count) * f * (all(1) - f), count);
      storeSome(gates + 2 * gate + at, dCell * i * (all(1) - g * g), count);
      storeSome(gates + 3 * gate + at, dHidden * tanhCell * o * (all(1) - o), count);
      storeSome(dc + at, dCell * f, count);
    });
    float* dz = s.dz + 4 * (slab * (step % 2) + start);
    for (int q = 0; q < 4; q++) {
      for (int unit = units.begin; unit < units.end; unit++) {
        const float* d = gates + static_cast<size_t>(q * s.size + unit) * width;
        toSlab(dz, 4 * s.size, q * s.size + unit, width, d);
        toBlocks(s.dGates, 4 * s.size, q * s.size + unit, position, chunk.filled, d);
      }
    }
  }
}

/** Gradient of the initial hidden state: the recurrent matrix's transposed times dz of the first step. */
void lstmInitial(const LstmSequence& s, float* dHidden, Range units) {
  for (int from = 0; from < s.stride; from += lanes) {
    const Chunk chunk = chunkAt(from, s.batch, s.stride);
    const size_t start = static_cast<size_t>(from) * s.size;
    float* dh = s.out + start;
    const size_t begin = static_cast<size_t>(units.begin) * chunk.width;
    std::memset(dh + begin, 0, static_cast<size_t>(units.end - units.begin) * chunk.width * sizeof(float));
    addTransposed(*s.recurrent, s.dz + 4 * start, chunk.width, dh, units);
    turnOut(dh, s.size, chunk.filled, chunk.width, dHidden + start, units);
  }
}
