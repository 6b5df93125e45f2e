// A depth of the recurrent highway network with coupled gates (J. Zilly et al.: Recurrent Highway Networks. ICML 2017):
//
//     h = tanh(a_h)    t = sigmoid(a_t)    s' = h t + s (1 - t)

void rhnForward(const CellStep& c) {
  byVectors(c.begin, c.end, [&](size_t at, int count) {
    const Vector h = hyperbolicTangent(loadSome(c.sums + at, count));
    const Vector t = sigmoid(loadSome(c.sums + c.gate + at, count));
    storeSome(c.kept + at, h, count);
    storeSome(c.kept + c.gate + at, t, count);
    storeSome(c.after + at, h * t + loadSome(c.before + at, count) * (all(1) - t), count);
  });
}

void rhnBackward(const CellStep& c) {
  byVectors(c.begin, c.end, [&](size_t at, int count) {
    const Vector h = loadSome(c.kept + at, count);
    const Vector t = loadSome(c.kept + c.gate + at, count);
    const Vector ds = loadSome(c.dh + at, count);
    storeSome(c.dz + at, ds * t * (all(1) - h * h), count);
    storeSome(c.dz + c.gate + at, ds * (h - loadSome(c.before + at, count)) * t * (all(1) - t), count);
    storeSome(c.carry + at, ds * (all(1) - t), count);
  });
}
