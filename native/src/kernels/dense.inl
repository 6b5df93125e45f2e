// Products with dense matrices, in tiles that are kept in registers.

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

/** Some rows and 16 `Vectors` columns of a gradient, over all positions; only `valid` of the columns are there. */
template <int Rows, int Vectors>
inline void gradientTile(const float* y, int rows, int row, const float* panel, int positions, float* out, size_t outRow, int valid) {
  Vector sums[Rows][Vectors] = {};
  for (int first = 0; first < positions; first += lanes) {
    const int filled = positions - first < lanes ? positions - first : lanes;
    const float* a = y + (static_cast<size_t>(first / lanes) * rows + row) * lanes;
    const float* b = panel + static_cast<size_t>(first) * lanes;
    for (int lane = 0; lane < filled; lane++) {
      Vector from[Vectors];
      for (int v = 0; v < Vectors; v++) from[v] = load(b + lane * lanes + 16 * v);
      for (int i = 0; i < Rows; i++) {
        const Vector factor = all(a[i * lanes + lane]);
        for (int v = 0; v < Vectors; v++) sums[i][v] += factor * from[v];
      }
    }
  }
  for (int i = 0; i < Rows; i++) {
    for (int v = 0; v < Vectors; v++) {
      if (16 * v + 16 <= valid) {
        store(out + i * outRow + 16 * v, sums[i][v]);
        continue;
      }
      for (int lane = 0; 16 * v + lane < valid && lane < 16; lane++) out[i * outRow + 16 * v + lane] = sums[i][v][lane];
    }
  }
}

template <int Vectors>
void gradientPanel(const float* y, int rows, const float* panel, int positions, float* out, size_t outRow, int valid, Range range) {
  int row = range.begin;
  for (; row + tileRows <= range.end; row += tileRows, out += tileRows * outRow) {
    gradientTile<tileRows, Vectors>(y, rows, row, panel, positions, out, outRow, valid);
  }
  for (; row < range.end; row++, out += outRow) gradientTile<1, Vectors>(y, rows, row, panel, positions, out, outRow, valid);
}

/** gradient[row][column] = sum over positions of y[row] x[column] for some rows. */
void denseGradient(const float* y, int rows, const float* panels, int positions, int columns, float* gradient, Range range) {
  for (int first = 0; first < columns;) {
    const float* panel = panels + static_cast<size_t>(first / lanes) * positions * lanes + first % lanes;
    const int left = columns - first;
    // The last panel may be narrow.
    if (left > 16 * (tileVectors - 1)) {
      gradientPanel<tileVectors>(y, rows, panel, positions, gradient + first, columns, left < 16 * tileVectors ? left : 16 * tileVectors, range);
      first += 16 * tileVectors;
    } else {
      gradientPanel<1>(y, rows, panel, positions, gradient + first, columns, left < 16 ? left : 16, range);
      first += 16;
    }
  }
}

/** The same for a few units, in float32. */
void gramTile(const float* first, const float* second, int units, float* products) {
  for (int p = 0; p < lanes; p += tileRows) {
    for (int v = 0; v < lanes; v += 16 * tileVectors) {
      tile<tileRows, tileVectors>(first + p, 1, lanes, second + v, lanes, units, products + p * lanes + v, lanes, nullptr, false);
    }
  }
}

/** products[p][q] (plus what is there, but for the first units) = sum over units of a[unit][p] b[unit][q] for two blocks of the same
 * activations: a part of A Aᵀ. Sums over these units in float32, over all in float64. */
void gram(const float* first, const float* second, int units, double* products, bool add) {
  alignas(64) float chain[lanes * lanes];
  gramTile(first, second, units, chain);
  for (int i = 0; i < lanes * lanes; i++) products[i] = add ? products[i] + chain[i] : chain[i];
}

/** Sum of the products of two tables of `gram`. */
double gramProduct(const double* a, const double* b) {
  double sums[8] = {};
  for (int i = 0; i < lanes * lanes; i++) sums[i % 8] += a[i] * b[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}
