// Vectors of 16 lanes, and the functions of a network on them.

typedef float Vector __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t Bits __attribute__((vector_size(64), aligned(4), may_alias));

inline Vector load(const float* at) { return *reinterpret_cast<const Vector*>(at); }
inline void store(float* at, Vector value) { *reinterpret_cast<Vector*>(at) = value; }
inline Vector all(float value) { return Vector{} + value; }

inline Vector select(Bits condition, Vector yes, Vector no) {
  return (Vector)(((Bits)yes & condition) | ((Bits)no & ~condition));
}

/** eˣ to float32's last bit or two: x = n ln 2 + r, and a polynomial for eʳ (the coefficients of Cephes). */
inline Vector exponential(Vector x) {
  x = select(x > all(88.3f), all(88.3f), x);
  x = select(x < all(-87.3f), all(-87.3f), x);
  const Vector magic = all(12582912.f);  // 1.5 * 2^23: adding it rounds to the nearest integer
  const Vector n = (x * all(1.44269504f) + magic) - magic;
  const Vector r = (x - n * all(0.693359375f)) + n * all(2.12194440e-4f);
  Vector p = all(1.9875691500e-4f);
  p = p * r + all(1.3981999507e-3f);
  p = p * r + all(8.3334519073e-3f);
  p = p * r + all(4.1665795894e-2f);
  p = p * r + all(1.6666665459e-1f);
  p = p * r + all(5.0000001201e-1f);
  p = p * r * r + r + all(1);
  const Bits power = (__builtin_convertvector(n, Bits) + 127) << 23;
  return p * (Vector)power;
}

inline Vector sigmoid(Vector x) { return all(1) / (all(1) + exponential(-x)); }

inline Vector hyperbolicTangent(Vector x) {
  const Vector square = x * x;
  // Where the quotient would cancel, its odd polynomial (Cephes).
  Vector p = all(-5.70498872745e-3f);
  p = p * square + all(2.06390887954e-2f);
  p = p * square + all(-5.37397155531e-2f);
  p = p * square + all(1.33314422036e-1f);
  p = p * square + all(-3.33332819422e-1f);
  const Vector small = p * square * x + x;
  const Vector large = all(1) - all(2) / (exponential(x + x) + all(1));
  return select(square < all(0.390625f), small, large);
}

template <int... Places>
inline Vector halves(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, Places...);
}

inline Vector join8(Vector a, Vector b) {
  return halves<0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23>(a, b) +
         halves<8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31>(a, b);
}
inline Vector join4(Vector a, Vector b) {
  return halves<0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27>(a, b) +
         halves<4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31>(a, b);
}
inline Vector join2(Vector a, Vector b) {
  return halves<0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29>(a, b) +
         halves<2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31>(a, b);
}
inline Vector join1(Vector a, Vector b) {
  return halves<0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30>(a, b) +
         halves<1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31>(a, b);
}

/** Lane i of the result is the sum over the lanes of sums[i]: sixteen reductions for the price of a few. */
inline Vector sumEach(const Vector sums[16]) {
  Vector eights[8], fours[4];
  for (int i = 0; i < 8; i++) eights[i] = join8(sums[2 * i], sums[2 * i + 1]);
  for (int i = 0; i < 4; i++) fours[i] = join4(eights[2 * i], eights[2 * i + 1]);
  return join1(join2(fours[0], fours[1]), join2(fours[2], fours[3]));
}
