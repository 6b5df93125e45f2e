// The ordered-neurons LSTM (Y. Shen et al.: Ordered Neurons. ICLR 2019). Rows: master input n, master forget n, output, cell, input,
// forget; kept of a step: both softmaxes and both cumulative sums of the masters, then the four gates.

/** Calls f(at, count) for pieces of up to 16 of the lanes of a unit. */
template <typename F>
inline void byLanes(int width, const F& f) {
  for (int lane = 0; lane < width; lane += 16) f(lane, width - lane < 16 ? width - lane : 16);
}

/** softmax and its cumulative sum for both master gates, of all masters. */
void mastersForward(const CellStep& c) {
  const size_t group = static_cast<size_t>(c.masters) * c.width;
  for (int gate = 0; gate < 2; gate++) {
    const float* a = c.sums + gate * group;
    float* softmax = c.kept + gate * group;
    float* cumulative = c.kept + (2 + gate) * group;
    byLanes(c.width, [&](int lane, int count) {
      Vector most = loadSome(a + lane, count);
      for (int k = 1; k < c.masters; k++) {
        const Vector other = loadSome(a + static_cast<size_t>(k) * c.width + lane, count);
        most = select(other > most, other, most);
      }
      Vector sum = all(0);
      for (int k = 0; k < c.masters; k++) {
        const size_t at = static_cast<size_t>(k) * c.width + lane;
        const Vector e = exponential(loadSome(a + at, count) - most);
        sum += e;
        storeSome(softmax + at, e, count);
      }
      const Vector inverse = all(1) / sum;
      Vector running = all(0);
      for (int k = 0; k < c.masters; k++) {
        const size_t at = static_cast<size_t>(k) * c.width + lane;
        const Vector p = loadSome(softmax + at, count) * inverse;
        running += p;
        storeSome(softmax + at, p, count);
        storeSome(cumulative + at, running, count);
      }
    });
  }
}

/** Gradients of the rows of the masters from those of every unit: sums over chunks, from the last one on, and back through softmax. */
void mastersBackward(const CellStep& c) {
  const size_t group = static_cast<size_t>(c.masters) * c.width;
  for (int gate = 0; gate < 2; gate++) {
    const float* softmax = c.kept + gate * group;
    const float* dMaster = c.dMasters + gate * c.gate;
    float* dz = c.dz + gate * group;
    const float sign = gate == 0 ? -1.f : 1.f;  // the master input gate is 1 minus its sum
    byLanes(c.width, [&](int lane, int count) {
      Vector running = all(0);
      Vector mean = all(0);
      for (int k = c.masters - 1; k >= 0; k--) {
        for (int unit = k * c.chunk; unit < (k + 1) * c.chunk; unit++) {
          running += loadSome(dMaster + static_cast<size_t>(unit) * c.width + lane, count);
        }
        const size_t at = static_cast<size_t>(k) * c.width + lane;
        mean += loadSome(softmax + at, count) * running;
        storeSome(dz + at, running, count);
      }
      for (int k = 0; k < c.masters; k++) {
        const size_t at = static_cast<size_t>(k) * c.width + lane;
        storeSome(dz + at, all(sign) * loadSome(softmax + at, count) * (loadSome(dz + at, count) - mean), count);
      }
    });
  }
}

/** Everything of some lanes of a unit but its cell. */
struct OnLstmUnit {
  OnLstmUnit(const CellStep& c, int unit, int lane, int count, const float* gates)
      : masterIn(all(1) - loadSome(c.kept + static_cast<size_t>(2 * c.masters + unit / c.chunk) * c.width + lane, count)),
        masterForget(loadSome(c.kept + static_cast<size_t>(3 * c.masters + unit / c.chunk) * c.width + lane, count)),
        overlap(masterIn * masterForget) {
    const size_t at = static_cast<size_t>(unit) * c.width + lane;
    o = loadSome(gates + at, count);
    g = loadSome(gates + c.gate + at, count);
    i = loadSome(gates + 2 * c.gate + at, count);
    f = loadSome(gates + 3 * c.gate + at, count);
  }
  Vector keep() const { return f * overlap + (masterForget - overlap); }
  Vector take() const { return i * overlap + (masterIn - overlap); }

  Vector masterIn, masterForget, overlap;
  Vector o, g, i, f;
};

void onLstmForward(const CellStep& c) {
  const float* sums = c.sums + static_cast<size_t>(2 * c.masters) * c.width;
  float* gates = c.kept + static_cast<size_t>(4 * c.masters) * c.width;
  for (int unit = c.units.begin; unit < c.units.end; unit++) {
    byLanes(c.width, [&](int lane, int count) {
      const size_t at = static_cast<size_t>(unit) * c.width + lane;
      OnLstmUnit u(c, unit, lane, count, sums);
      u.o = sigmoid(u.o);
      u.g = hyperbolicTangent(u.g);
      u.i = sigmoid(u.i);
      u.f = sigmoid(u.f);
      const Vector cell = u.keep() * loadSome(c.cellBefore + at, count) + u.take() * u.g;
      storeSome(gates + at, u.o, count);
      storeSome(gates + c.gate + at, u.g, count);
      storeSome(gates + 2 * c.gate + at, u.i, count);
      storeSome(gates + 3 * c.gate + at, u.f, count);
      storeSome(c.cellAfter + at, cell, count);
      storeSome(c.after + at, u.o * hyperbolicTangent(cell), count);
    });
  }
}

void onLstmBackward(const CellStep& c) {
  float* dz = c.dz + static_cast<size_t>(2 * c.masters) * c.width;
  const float* gates = c.kept + static_cast<size_t>(4 * c.masters) * c.width;
  for (int unit = c.units.begin; unit < c.units.end; unit++) {
    byLanes(c.width, [&](int lane, int count) {
      const size_t at = static_cast<size_t>(unit) * c.width + lane;
      const OnLstmUnit u(c, unit, lane, count, gates);
      const Vector tanhCell = hyperbolicTangent(loadSome(c.cellAfter + at, count));
      const Vector dh = loadSome(c.dh + at, count);
      const Vector dCell = loadSome(c.dc + at, count) + dh * u.o * (all(1) - tanhCell * tanhCell);
      const Vector dKeep = dCell * loadSome(c.cellBefore + at, count);
      const Vector dTake = dCell * u.g;
      const Vector dOverlap = dKeep * (u.f - all(1)) + dTake * (u.i - all(1));
      storeSome(c.dMasters + at, dTake + dOverlap * u.masterForget, count);
      storeSome(c.dMasters + c.gate + at, dKeep + dOverlap * u.masterIn, count);
      storeSome(dz + at, dh * tanhCell * u.o * (all(1) - u.o), count);
      storeSome(dz + c.gate + at, dCell * u.take() * (all(1) - u.g * u.g), count);
      storeSome(dz + 2 * c.gate + at, dTake * u.overlap * u.i * (all(1) - u.i), count);
      storeSome(dz + 3 * c.gate + at, dKeep * u.overlap * u.f * (all(1) - u.f), count);
      storeSome(c.dc + at, dCell * u.keep(), count);
      storeSome(c.carry + at, all(0), count);
    });
  }
}
