// The gated recurrent unit (K. Cho et al., 2014; the reset gate behind the product, as in PyTorch):
//
//     r, z = sigmoid(u + v)    n = tanh(u_n + r v_n)    h' = (1 - z) n + z h

void gruForward(const CellStep& c) {
  byVectors(c.begin, c.end, [&](size_t at, int count) {
    const Vector r = sigmoid(loadSome(c.sums + at, count));
    const Vector z = sigmoid(loadSome(c.sums + c.gate + at, count));
    const Vector vn = loadSome(c.sums + 2 * c.gate + at, count);
    const Vector n = hyperbolicTangent(loadSome(c.apart + at, count) + r * vn);
    storeSome(c.kept + at, r, count);
    storeSome(c.kept + c.gate + at, z, count);
    storeSome(c.kept + 2 * c.gate + at, n, count);
    storeSome(c.kept + 3 * c.gate + at, vn, count);
    storeSome(c.after + at, n + z * (loadSome(c.before + at, count) - n), count);
  });
}

void gruBackward(const CellStep& c) {
  byVectors(c.begin, c.end, [&](size_t at, int count) {
    const Vector r = loadSome(c.kept + at, count);
    const Vector z = loadSome(c.kept + c.gate + at, count);
    const Vector n = loadSome(c.kept + 2 * c.gate + at, count);
    const Vector vn = loadSome(c.kept + 3 * c.gate + at, count);
    const Vector dh = loadSome(c.dh + at, count);
    const Vector da = dh * (all(1) - z) * (all(1) - n * n);
    storeSome(c.dz + at, da * vn * r * (all(1) - r), count);
    storeSome(c.dz + c.gate + at, dh * (loadSome(c.before + at, count) - n) * z * (all(1) - z), count);
    storeSome(c.dz + 2 * c.gate + at, da * r, count);
    storeSome(c.dApart + at, da, count);
    storeSome(c.carry + at, dh * z, count);
  });
}
