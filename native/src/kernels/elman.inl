// The simple recurrent network (J. Elman: Finding Structure in Time. 1990):  h = tanh(u + v)

void elmanForward(const CellStep& c) {
  byVectors(c.begin, c.end, [&](size_t at, int count) { storeSome(c.after + at, hyperbolicTangent(loadSome(c.sums + at, count)), count); });
}

void elmanBackward(const CellStep& c) {
  byVectors(c.begin, c.end, [&](size_t at, int count) {
    const Vector h = loadSome(c.after + at, count);
    storeSome(c.dz + at, loadSome(c.dh + at, count) * (all(1) - h * h), count);
    storeSome(c.carry + at, all(0), count);
  });
}
