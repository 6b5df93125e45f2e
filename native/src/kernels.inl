// The kernels of one vector width: included once for each, with SPARROW_KERNELS the name of the table and SPARROW_TILE how
// many vectors of 16 lanes a tile of a dense product keeps in registers. No other header of the library is used here, so that no
// code compiled for one machine can be linked into what runs on another.
#include <cstring>
#include "kernels.h"

namespace sparrow {
namespace {

typedef float Vector __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t Bits __attribute__((vector_size(64), aligned(4), may_alias));

inline Vector load(const float* at) { return *reinterpret_cast<const Vector*>(at); }
inline void store(float* at, Vector value) { *reinterpret_cast<Vector*>(at) = value; }
inline Vector all(float value) { return Vector{} + value; }

// ---------------------------------------------------------------- layout

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

// ---------------------------------------------------------------- sparse products

/** Units of a block that a product goes through at a time: half a megabyte, so that they stay in the second-level cache. */
constexpr int cachedUnits = 2048;

/** First of the entries [from, to) of a line whose index is at least `bound`; indices ascend. */
template <typename Index>
inline int32_t entryAt(const Index* index, int32_t from, int32_t to, int bound) {
  while (from < to) {
    const int32_t middle = from + (to - from) / 2;
    if (static_cast<int>(index[middle]) < bound) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** out[line] = bias + sum over the entries of a line of value * in[index], lines being rows or columns, in one block. */
template <typename Index>
void sparseProduct(const int32_t* start, const Index* index, const float* values, const float* bias, const float* in, int units,
                   float* out, Range lines) {
  for (int bound = 0; bound < units || bound == 0; bound += cachedUnits) {
    const bool last = bound + cachedUnits >= units;
    for (int line = lines.begin; line < lines.end; line++) {
      float* to = out + static_cast<size_t>(line) * lanes;
      const int32_t from = bound == 0 ? start[line] : entryAt(index, start[line], start[line + 1], bound);
      const int32_t end = last ? start[line + 1] : entryAt(index, from, start[line + 1], bound + cachedUnits);
      Vector a, b, c, d;
      if (bound == 0) {
        a = b = c = d = all(bias == nullptr ? 0 : bias[line]);
      } else {
        a = load(to);
        b = load(to + 16);
        c = load(to + 32);
        d = load(to + 48);
      }
      for (int32_t k = from; k < end; k++) {
        const float* x = in + static_cast<size_t>(index[k]) * lanes;
        const Vector value = all(values[k]);
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

/** gradient[k] += <y[row], x[column of k]> over `Blocks` blocks, for the entries of some rows. */
template <typename Index, int Blocks>
void sampledProduct(const Matrix& weight, const float* y, const float* x, float* gradient, Range rows, bool first) {
  const Index* column = static_cast<const Index*>(weight.column);
  const size_t yBlock = static_cast<size_t>(weight.rows) * lanes;
  const size_t xBlock = static_cast<size_t>(weight.columns) * lanes;
  for (int row = rows.begin; row < rows.end; row++) {
    Vector g[4 * Blocks];
    for (int block = 0; block < Blocks; block++) {
      for (int i = 0; i < 4; i++) g[4 * block + i] = load(y + block * yBlock + static_cast<size_t>(row) * lanes + 16 * i);
    }
    const auto product = [&](int k) {
      const float* from = x + static_cast<size_t>(column[k]) * lanes;
      Vector sum = g[0] * load(from);
      for (int i = 1; i < 4; i++) sum += g[i] * load(from + 16 * i);
      for (int block = 1; block < Blocks; block++) {
        for (int i = 0; i < 4; i++) sum += g[4 * block + i] * load(from + block * xBlock + 16 * i);
      }
      return sum;
    };
    int k = weight.rowStart[row];
    const int end = weight.rowStart[row + 1];
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
void sparseGradient(const Matrix& weight, const float* y, const float* x, int blocks, float* gradient, Range rows) {
  const size_t yBlock = static_cast<size_t>(weight.rows) * lanes;
  const size_t xBlock = static_cast<size_t>(weight.columns) * lanes;
  int block = 0;
  for (; block + 3 <= blocks; block += 3) {
    sampledProduct<Index, 3>(weight, y + block * yBlock, x + block * xBlock, gradient, rows, block == 0);
  }
  if (blocks - block == 2) sampledProduct<Index, 2>(weight, y + block * yBlock, x + block * xBlock, gradient, rows, block == 0);
  if (blocks - block == 1) sampledProduct<Index, 1>(weight, y + block * yBlock, x + block * xBlock, gradient, rows, block == 0);
}

// ---------------------------------------------------------------- dense products

constexpr int tileRows = 4;
constexpr int tileVectors = SPARROW_TILE;
static_assert(lanes % (16 * tileVectors) == 0, "tiles must cover a block");

/**
 * out[i][v] (+)= sum over k of a[i * aRow + k * aStep] * b[k * bStep + 16 v], `Rows` rows by `Vectors` vectors kept in registers.
 */
template <int Rows, int Vectors>
inline void tile(const float* a, size_t aRow, size_t aStep, const float* b, size_t bStep, int count, float* out,
                 size_t outRow, const float* initial, bool add) {
  Vector sums[Rows][Vectors];
  for (int i = 0; i < Rows; i++) {
    for (int v = 0; v < Vectors; v++) {
      sums[i][v] = add ? load(out + i * outRow + 16 * v) : all(initial == nullptr ? 0 : initial[i]);
    }
  }
  for (int k = 0; k < count; k++) {
    Vector from[Vectors];
    for (int v = 0; v < Vectors; v++) from[v] = load(b + k * bStep + 16 * v);
    for (int i = 0; i < Rows; i++) {
      const Vector factor = all(a[i * aRow + k * aStep]);
      for (int v = 0; v < Vectors; v++) sums[i][v] += factor * from[v];
    }
  }
  for (int i = 0; i < Rows; i++) {
    for (int v = 0; v < Vectors; v++) store(out + i * outRow + 16 * v, sums[i][v]);
  }
}

/** y = W x + bias for some rows, W [rows, columns] row-major, x and y in one block. */
void denseProduct(const float* w, int columns, const float* bias, const float* x, float* y, Range rows) {
  int row = rows.begin;
  for (; row + tileRows <= rows.end; row += tileRows) {
    for (int v = 0; v < lanes; v += 16 * tileVectors) {
      tile<tileRows, tileVectors>(w + static_cast<size_t>(row) * columns, columns, 1, x + v, lanes, columns,
                                  y + static_cast<size_t>(row) * lanes + v, lanes, bias == nullptr ? nullptr : bias + row, false);
    }
  }
  for (; row < rows.end; row++) {
    for (int v = 0; v < lanes; v += 16 * tileVectors) {
      tile<1, tileVectors>(w + static_cast<size_t>(row) * columns, columns, 1, x + v, lanes, columns,
                           y + static_cast<size_t>(row) * lanes + v, lanes, bias == nullptr ? nullptr : bias + row, false);
    }
  }
}

/** gradient[row][column] = sum over positions of y[row] x[column], y in blocks, x [positions, columns] row-major. */
template <int Rows>
void denseGradientRows(const float* y, int rows, const float* x, int positions, int columns, float* gradient, int row) {
  for (int block = 0; block < blocksOf(positions); block++) {
    const int filled = positions - block * lanes < lanes ? positions - block * lanes : lanes;
    const float* a = y + (static_cast<size_t>(block) * rows + row) * lanes;
    const float* b = x + static_cast<size_t>(block) * lanes * columns;
    float* out = gradient + static_cast<size_t>(row) * columns;
    int column = 0;
    for (; column + 16 * tileVectors <= columns; column += 16 * tileVectors) {
      tile<Rows, tileVectors>(a, lanes, 1, b + column, columns, filled, out + column, columns, nullptr, block > 0);
    }
    for (; column + 16 <= columns; column += 16) {
      tile<Rows, 1>(a, lanes, 1, b + column, columns, filled, out + column, columns, nullptr, block > 0);
    }
    for (; column < columns; column++) {
      for (int i = 0; i < Rows; i++) {
        float sum = block > 0 ? out[static_cast<size_t>(i) * columns + column] : 0;
        for (int lane = 0; lane < filled; lane++) sum += a[i * lanes + lane] * b[static_cast<size_t>(lane) * columns + column];
        out[static_cast<size_t>(i) * columns + column] = sum;
      }
    }
  }
}

void denseGradient(const float* y, int rows, const float* x, int positions, int columns, float* gradient, Range range) {
  int row = range.begin;
  for (; row + tileRows <= range.end; row += tileRows) denseGradientRows<tileRows>(y, rows, x, positions, columns, gradient, row);
  for (; row < range.end; row++) denseGradientRows<1>(y, rows, x, positions, columns, gradient, row);
}

/** products[p][q] = sum over units of a[unit][p] a[unit][q] for two blocks of the same activations: a part of A Aᵀ. */
void gramTile(const float* first, const float* second, int units, float* products) {
  for (int p = 0; p < lanes; p += tileRows) {
    for (int v = 0; v < lanes; v += 16 * tileVectors) {
      tile<tileRows, tileVectors>(first + p, 1, lanes, second + v, lanes, units, products + p * lanes + v, lanes, nullptr, false);
    }
  }
}

/** Sum of the products of two tables of `gramTile`, in float64. */
double gramProduct(const float* a, const float* b) {
  double sums[8] = {};
  for (int i = 0; i < lanes * lanes; i++) sums[i % 8] += static_cast<double>(a[i]) * b[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

// ---------------------------------------------------------------- functions

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

// ---------------------------------------------------------------- the LSTM, step by step

/** Lanes of a step's products are its streams, up to 64 at a time: copies between blocks of positions and those. */
inline void fromBlocks(const float* blocked, int units, int unit, int position, int count, float* to) {
  while (count > 0) {
    const int lane = position % lanes;
    const int part = count < lanes - lane ? count : lanes - lane;
    std::memcpy(to, blocked + (static_cast<size_t>(position / lanes) * units + unit) * lanes + lane, part * sizeof(float));
    to += part;
    position += part;
    count -= part;
  }
}

inline void toBlocks(float* blocked, int units, int unit, int position, int count, const float* from) {
  while (count > 0) {
    const int lane = position % lanes;
    const int part = count < lanes - lane ? count : lanes - lane;
    std::memcpy(blocked + (static_cast<size_t>(position / lanes) * units + unit) * lanes + lane, from, part * sizeof(float));
    from += part;
    position += part;
    count -= part;
  }
}

typedef float Quarter __attribute__((vector_size(16), aligned(4), may_alias));

/**
 * A slab of a step's units is what every active weight of a recurrent matrix reads, so it lies as that is read: chunks of up to 64
 * lanes, in them groups of 16, [units][16] and each unit on a cache line of its own, and then the rest, [units][4 ..].
 */
inline void toSlab(float* slab, int units, int unit, int width, const float* from) {
  int lane = 0;
  for (; lane + 16 <= width; lane += 16) std::memcpy(slab + static_cast<size_t>(lane) * units + unit * 16, from + lane, 64);
  const int rest = width - lane;
  std::memcpy(slab + static_cast<size_t>(lane) * units + unit * rest, from + lane, rest * sizeof(float));
}

/** sums[0 .. 16 Vectors + 4 Quarters) += sum over entries of value * unit `index` of a slab. */
template <typename Index, int Vectors, int Quarters>
void addLine(const Index* index, const float* values, int count, const float* in, int units, float* sums) {
  const size_t group = static_cast<size_t>(units) * 16;
  const float* rest = in + Vectors * group;
  Vector wide[Vectors > 0 ? Vectors : 1];
  Quarter narrow[Quarters > 0 ? Quarters : 1];
  for (int v = 0; v < Vectors; v++) wide[v] = load(sums + 16 * v);
  for (int q = 0; q < Quarters; q++) narrow[q] = *reinterpret_cast<const Quarter*>(sums + 16 * Vectors + 4 * q);
  for (int k = 0; k < count; k++) {
    const float value = values[k];
    const size_t unit = index == nullptr ? k : static_cast<int>(index[k]);
    for (int v = 0; v < Vectors; v++) wide[v] += value * load(in + v * group + unit * 16);
    for (int q = 0; q < Quarters; q++) {
      narrow[q] += value * *reinterpret_cast<const Quarter*>(rest + unit * (4 * Quarters) + 4 * q);
    }
  }
  for (int v = 0; v < Vectors; v++) store(sums + 16 * v, wide[v]);
  for (int q = 0; q < Quarters; q++) *reinterpret_cast<Quarter*>(sums + 16 * Vectors + 4 * q) = narrow[q];
}

template <typename Index>
using AddLine = void (*)(const Index*, const float*, int, const float*, int, float*);

/** The product for a number of lanes, a multiple of 4 up to 64. */
template <typename Index>
AddLine<Index> addLineFor(int width) {
  static const AddLine<Index> table[17] = {
      nullptr,
      addLine<Index, 0, 1>, addLine<Index, 0, 2>, addLine<Index, 0, 3>, addLine<Index, 1, 0>,
      addLine<Index, 1, 1>, addLine<Index, 1, 2>, addLine<Index, 1, 3>, addLine<Index, 2, 0>,
      addLine<Index, 2, 1>, addLine<Index, 2, 2>, addLine<Index, 2, 3>, addLine<Index, 3, 0>,
      addLine<Index, 3, 1>, addLine<Index, 3, 2>, addLine<Index, 3, 3>, addLine<Index, 4, 0>,
  };
  return table[width / 4];
}

/** sums += line of a matrix (a row, or of the transposed one a column) times a chunk of a slab. */
template <typename Index>
inline void addProduct(AddLine<Index> add, const Matrix& weight, bool byColumn, int line, const float* in, float* sums) {
  const int units = byColumn ? weight.rows : weight.columns;
  if (!weight.sparse) {
    const float* values = (byColumn ? weight.valuesByColumn : weight.values) + static_cast<size_t>(line) * units;
    add(nullptr, values, units, in, units, sums);
    return;
  }
  const int32_t* start = byColumn ? weight.columnStart : weight.rowStart;
  const Index* index = static_cast<const Index*>(byColumn ? weight.row : weight.column);
  const float* values = byColumn ? weight.valuesByColumn : weight.values;
  add(index + start[line], values + start[line], start[line + 1] - start[line], in, units, sums);
}

template <typename Index>
void lstmForwardOf(const LstmSequence& s, int step, Range units) {
  const size_t slab = static_cast<size_t>(s.size) * s.stride;
  const float* hiddenBefore = s.hidden + slab * (step % 2);
  float* hidden = s.hidden + slab * ((step + 1) % 2);
  const float* cellBefore = s.cells + slab * step;
  float* cell = s.cells + slab * (step + 1);
  for (int from = 0; from < s.stride; from += lanes) {
    const int width = s.stride - from < lanes ? s.stride - from : lanes;
    const int filled = s.batch - from < width ? s.batch - from : width;
    const AddLine<Index> add = addLineFor<Index>(width);
    for (int unit = units.begin; unit < units.end; unit++) {
      alignas(64) float z[4][lanes] = {};
      for (int gate = 0; gate < 4; gate++) {
        const int row = gate * s.size + unit;
        fromBlocks(s.gates, 4 * s.size, row, step * s.batch + from, filled, z[gate]);
        addProduct<Index>(add, *s.recurrent, false, row, hiddenBefore + static_cast<size_t>(from) * s.size, z[gate]);
      }
      const size_t at = static_cast<size_t>(unit) * s.stride + from;
      alignas(64) float before[lanes] = {}, after[lanes], out[lanes];
      std::memcpy(before, cellBefore + at, width * sizeof(float));
      for (int v = 0; v < width; v += 16) {
        const Vector i = sigmoid(load(z[0] + v));
        const Vector f = sigmoid(load(z[1] + v));
        const Vector g = hyperbolicTangent(load(z[2] + v));
        const Vector o = sigmoid(load(z[3] + v));
        const Vector c = f * load(before + v) + i * g;
        store(z[0] + v, i);
        store(z[1] + v, f);
        store(z[2] + v, g);
        store(z[3] + v, o);
        store(after + v, c);
        store(out + v, o * hyperbolicTangent(c));
      }
      std::memcpy(cell + at, after, width * sizeof(float));
      toSlab(hidden + static_cast<size_t>(from) * s.size, s.size, unit, width, out);
      for (int gate = 0; gate < 4; gate++) toBlocks(s.gates, 4 * s.size, gate * s.size + unit, step * s.batch + from, filled, z[gate]);
      float* y = s.y + (static_cast<size_t>(step) * s.batch + from) * s.size + unit;
      for (int lane = 0; lane < filled; lane++) y[static_cast<size_t>(lane) * s.size] = out[lane];
    }
  }
}

template <typename Index>
void lstmBackwardOf(const LstmSequence& s, int step, Range units) {
  const size_t slab = static_cast<size_t>(s.size) * s.stride;
  const float* cellBefore = s.cells + slab * step;
  const float* cell = s.cells + slab * (step + 1);
  const float* dzAfter = s.dz + 4 * slab * ((step + 1) % 2);
  float* dz = s.dz + 4 * slab * (step % 2);
  for (int from = 0; from < s.stride; from += lanes) {
    const int width = s.stride - from < lanes ? s.stride - from : lanes;
    const int filled = s.batch - from < width ? s.batch - from : width;
    const AddLine<Index> add = addLineFor<Index>(width);
    for (int unit = units.begin; unit < units.end; unit++) {
      const size_t at = static_cast<size_t>(unit) * s.stride + from;
      alignas(64) float dh[lanes] = {};
      if (step == s.steps - 1) {
        for (int lane = 0; lane < filled; lane++) dh[lane] = s.dHidden[(static_cast<size_t>(from) + lane) * s.size + unit];
      } else {
        addProduct<Index>(add, *s.recurrent, true, unit, dzAfter + 4 * static_cast<size_t>(from) * s.size, dh);
      }
      const float* dy = s.dy + (static_cast<size_t>(step) * s.batch + from) * s.size + unit;
      for (int lane = 0; lane < filled; lane++) dh[lane] += dy[static_cast<size_t>(lane) * s.size];

      alignas(64) float gate[4][lanes] = {}, before[lanes] = {}, now[lanes] = {}, dc[lanes] = {}, d[4][lanes];
      for (int q = 0; q < 4; q++) fromBlocks(s.gates, 4 * s.size, q * s.size + unit, step * s.batch + from, filled, gate[q]);
      std::memcpy(before, cellBefore + at, width * sizeof(float));
      std::memcpy(now, cell + at, width * sizeof(float));
      std::memcpy(dc, s.dc + at, width * sizeof(float));
      for (int v = 0; v < width; v += 16) {
        const Vector i = load(gate[0] + v), f = load(gate[1] + v), g = load(gate[2] + v), o = load(gate[3] + v);
        const Vector tanhCell = hyperbolicTangent(load(now + v));
        const Vector dHidden = load(dh + v);
        const Vector dCell = load(dc + v) + dHidden * o * (all(1) - tanhCell * tanhCell);
        store(d[0] + v, dCell * g * i * (all(1) - i));
        store(d[1] + v, dCell * load(before + v) * f * (all(1) - f));
        store(d[2] + v, dCell * i * (all(1) - g * g));
        store(d[3] + v, dHidden * tanhCell * o * (all(1) - o));
        store(dc + v, dCell * f);
      }
      std::memcpy(s.dc + at, dc, width * sizeof(float));
      for (int q = 0; q < 4; q++) {
        toSlab(dz + 4 * static_cast<size_t>(from) * s.size, 4 * s.size, q * s.size + unit, width, d[q]);
        toBlocks(s.dGates, 4 * s.size, q * s.size + unit, step * s.batch + from, filled, d[q]);
      }
    }
  }
}

/** Gradient of the initial hidden state: the recurrent matrix's transposed times dz of the first step. */
template <typename Index>
void lstmInitialOf(const LstmSequence& s, float* dHidden, Range units) {
  for (int from = 0; from < s.stride; from += lanes) {
    const int width = s.stride - from < lanes ? s.stride - from : lanes;
    const int filled = s.batch - from < width ? s.batch - from : width;
    const AddLine<Index> add = addLineFor<Index>(width);
    for (int unit = units.begin; unit < units.end; unit++) {
      alignas(64) float dh[lanes] = {};
      addProduct<Index>(add, *s.recurrent, true, unit, s.dz + 4 * static_cast<size_t>(from) * s.size, dh);
      for (int lane = 0; lane < filled; lane++) dHidden[(static_cast<size_t>(from) + lane) * s.size + unit] = dh[lane];
    }
  }
}

void lstmForward(const LstmSequence& s, int step, Range units) {
  if (s.recurrent->wide) lstmForwardOf<uint32_t>(s, step, units);
  else lstmForwardOf<uint16_t>(s, step, units);
}

void lstmBackward(const LstmSequence& s, int step, Range units) {
  if (s.recurrent->wide) lstmBackwardOf<uint32_t>(s, step, units);
  else lstmBackwardOf<uint16_t>(s, step, units);
}

void lstmInitial(const LstmSequence& s, float* dHidden, Range units) {
  if (s.recurrent->wide) lstmInitialOf<uint32_t>(s, dHidden, units);
  else lstmInitialOf<uint16_t>(s, dHidden, units);
}

// ---------------------------------------------------------------- softmax and cross-entropy

/** Turns logits of 16 lanes [words][64] into probabilities and returns log sum exp of each lane. */
void softmax(float* logits, int words, float* logSumExp) {
  Vector largest = load(logits);
  for (int word = 1; word < words; word++) {
    const Vector logit = load(logits + static_cast<size_t>(word) * lanes);
    largest = select(logit > largest, logit, largest);
  }
  Vector sum = all(0);
  for (int word = 0; word < words; word++) {
    float* at = logits + static_cast<size_t>(word) * lanes;
    const Vector e = exponential(load(at) - largest);
    sum += e;
    store(at, e);
  }
  const Vector scale = all(1) / sum;
  for (int word = 0; word < words; word++) {
    float* at = logits + static_cast<size_t>(word) * lanes;
    store(at, load(at) * scale);
  }
  alignas(64) float m[16], s[16];
  store(m, largest);
  store(s, sum);
  for (int lane = 0; lane < 16; lane++) logSumExp[lane] = m[lane] + __builtin_logf(s[lane]);
}

/** sums[row] = sum over all lanes of y[row], for some rows. */
void rowSums(const float* y, int rows, int blocks, float* sums, Range range) {
  for (int row = range.begin; row < range.end; row++) {
    Vector sum = all(0);
    for (int block = 0; block < blocks; block++) {
      const float* from = y + (static_cast<size_t>(block) * rows + row) * lanes;
      sum += (load(from) + load(from + 16)) + (load(from + 32) + load(from + 48));
    }
    const Vector sums16[16] = {sum};
    sums[row] = sumEach(sums16)[0];
  }
}

// ---------------------------------------------------------------- optimisers

void sgd(float* w, const float* g, const float* mask, float scale, float decay, float rate, int begin, int end) {
  for (int i = begin; i < end; i++) {
    const float step = (g[i] * scale + w[i] * decay) * rate;
    w[i] = mask == nullptr ? w[i] - step : (w[i] - step) * mask[i];
  }
}

void averagedSgd(float* w, const float* g, const float* mask, float* average, const float* since, float now, float scale,
                 float decay, float rate, int begin, int end) {
  for (int i = begin; i < end; i++) {
    const float step = (g[i] * scale + w[i] * decay) * rate;
    const float next = mask == nullptr ? w[i] - step : (w[i] - step) * mask[i];
    const float k = now - since[i] - 1;
    const float mu = 1 / (k > 1 ? k : 1);
    average[i] = average[i] * (1 - mu) + next * mu;
    w[i] = next;
  }
}

void adam(float* w, const float* g, const float* mask, float* m1, float* m2, const AdamRates& r, int begin, int end) {
  for (int i = begin; i < end; i++) {
    const float decayed = g[i] * r.scale + w[i] * r.decay;
    const float gradient = mask == nullptr ? decayed : decayed * mask[i];
    m1[i] = m1[i] * r.beta1 + gradient * (1 - r.beta1);
    m2[i] = m2[i] * r.beta2 + gradient * gradient * (1 - r.beta2);
    w[i] -= m1[i] / (__builtin_sqrtf(m2[i]) / r.root2 + r.epsilon) * r.rate;
  }
}

void multiply(const float* x, const float* y, float* product, int begin, int end) {
  for (int i = begin; i < end; i++) product[i] = x[i] * y[i];
}

/** Sum of squares in float64, in four chains of a fixed order. */
double sumOfSquares(const float* x, int begin, int end) {
  double sums[4] = {};
  for (int i = begin; i < end; i++) sums[(i - begin) % 4] += static_cast<double>(x[i]) * x[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// ---------------------------------------------------------------- dispatch

template <typename Index>
void sparseForward(const Matrix& weight, const float* bias, const float* x, int blocks, float* y, Range rows) {
  for (int block = 0; block < blocks; block++) {
    sparseProduct(weight.rowStart, static_cast<const Index*>(weight.column), weight.values, bias,
                  x + static_cast<size_t>(block) * weight.columns * lanes, weight.columns,
                  y + static_cast<size_t>(block) * weight.rows * lanes, rows);
  }
}

template <typename Index>
void sparseTransposed(const Matrix& weight, const float* y, int blocks, float* x, Range columns) {
  for (int block = 0; block < blocks; block++) {
    sparseProduct(weight.columnStart, static_cast<const Index*>(weight.row), weight.valuesByColumn, nullptr,
                  y + static_cast<size_t>(block) * weight.rows * lanes, weight.rows,
                  x + static_cast<size_t>(block) * weight.columns * lanes, columns);
  }
}

void forward(const Matrix& weight, const float* bias, const float* x, int blocks, float* y, Range rows) {
  if (!weight.sparse) {
    for (int block = 0; block < blocks; block++) {
      denseProduct(weight.values, weight.columns, bias, x + static_cast<size_t>(block) * weight.columns * lanes,
                   y + static_cast<size_t>(block) * weight.rows * lanes, rows);
    }
    return;
  }
  if (weight.wide) sparseForward<uint32_t>(weight, bias, x, blocks, y, rows);
  else sparseForward<uint16_t>(weight, bias, x, blocks, y, rows);
}

void transposed(const Matrix& weight, const float* y, int blocks, float* x, Range columns) {
  if (!weight.sparse) {
    for (int block = 0; block < blocks; block++) {
      denseProduct(weight.valuesByColumn, weight.rows, nullptr, y + static_cast<size_t>(block) * weight.rows * lanes,
                   x + static_cast<size_t>(block) * weight.columns * lanes, columns);
    }
    return;
  }
  if (weight.wide) sparseTransposed<uint32_t>(weight, y, blocks, x, columns);
  else sparseTransposed<uint16_t>(weight, y, blocks, x, columns);
}

void gradient(const Matrix& weight, const float* y, const float* x, int blocks, float* gradient, Range rows) {
  if (weight.wide) sparseGradient<uint32_t>(weight, y, x, blocks, gradient, rows);
  else sparseGradient<uint16_t>(weight, y, x, blocks, gradient, rows);
}

}  // namespace

const Kernels SPARROW_KERNELS = {
    SPARROW_NAME, pack,        unpack,       forward,     transposed, gradient, denseGradient, gramTile, gramProduct,
    lstmForward,  lstmBackward, lstmInitial, softmax,    rowSums,     sgd,      averagedSgd,   adam, multiply, sumOfSquares,
};

}  // namespace sparrow
