// What every recurrent cell needs of a step: products with the activations of one step, and copies of those.
//
// A step's activations lie in chunks of up to 64 lanes, a stream each: [units][width], flat, where a cell works on them, and as a
// *slab* where a recurrent matrix reads them.

typedef float Quarter __attribute__((vector_size(16), aligned(4), may_alias));

/** `count` numbers, in pieces as they come: the library's copy costs more than what it copies here. */
inline void copyLanes(float* to, const float* from, int count) {
  int lane = 0;
  for (; lane + 16 <= count; lane += 16) store(to + lane, load(from + lane));
  for (; lane + 4 <= count; lane += 4) *reinterpret_cast<Quarter*>(to + lane) = *reinterpret_cast<const Quarter*>(from + lane);
  for (; lane < count; lane++) to[lane] = from[lane];
}

/** Activations of a unit at `count` positions out of blocks. */
inline void fromBlocks(const float* blocked, int units, int unit, int position, int count, float* to) {
  while (count > 0) {
    const int lane = position % lanes;
    const int part = count < lanes - lane ? count : lanes - lane;
    copyLanes(to, blocked + (static_cast<size_t>(position / lanes) * units + unit) * lanes + lane, part);
    to += part;
    position += part;
    count -= part;
  }
}

inline void toBlocks(float* blocked, int units, int unit, int position, int count, const float* from) {
  while (count > 0) {
    const int lane = position % lanes;
    const int part = count < lanes - lane ? count : lanes - lane;
    copyLanes(blocked + (static_cast<size_t>(position / lanes) * units + unit) * lanes + lane, from, part);
    from += part;
    position += part;
    count -= part;
  }
}

/**
 * A slab is what every active weight of a recurrent matrix reads, so it lies as that is read: groups of 16 lanes, [units][16] with
 * each unit on a cache line of its own, and then the rest, [units][4 ..].
 */
inline void toSlab(float* slab, int units, int unit, int width, const float* from) {
  int lane = 0;
  for (; lane + 16 <= width; lane += 16) store(slab + static_cast<size_t>(lane) * units + unit * 16, load(from + lane));
  const int rest = width - lane;
  copyLanes(slab + static_cast<size_t>(lane) * units + unit * rest, from + lane, rest);
}

/** Units that are turned at a time, so that what is written by columns stays in the cache. */
constexpr int turned = 64;

/** flat[unit][lane] = or += x[lane][unit] for some units; x has a row of `units` for each lane. */
template <bool Add>
void turnIn(const float* x, int units, int filled, int width, float* flat, Range range) {
  for (int first = range.begin; first < range.end; first += turned) {
    const int end = first + turned < range.end ? first + turned : range.end;
    for (int lane = 0; lane < filled; lane++) {
      const float* from = x + static_cast<size_t>(lane) * units;
      for (int unit = first; unit < end; unit++) {
        float& to = flat[static_cast<size_t>(unit) * width + lane];
        to = Add ? to + from[unit] : from[unit];
      }
    }
  }
}

/** x[lane][unit] = flat[unit][lane] for some units. */
void turnOut(const float* flat, int units, int filled, int width, float* x, Range range) {
  for (int first = range.begin; first < range.end; first += turned) {
    const int end = first + turned < range.end ? first + turned : range.end;
    for (int lane = 0; lane < filled; lane++) {
      float* to = x + static_cast<size_t>(lane) * units;
      for (int unit = first; unit < end; unit++) to[unit] = flat[static_cast<size_t>(unit) * width + lane];
    }
  }
}

/**
 * sums[0 .. 16 Vectors + 4 Quarters) += sum over entries of value * unit `index` of a slab. Entries go to several chains of sums in
 * turn, since one chain would wait for each addition to end.
 */
template <typename Index, int Vectors, int Quarters>
void addEntries(const Index* index, const float* values, int count, const float* in, int units, float* sums) {
  constexpr int chains = Vectors + Quarters <= 2 ? 4 : 2;
  const size_t group = static_cast<size_t>(units) * 16;
  const float* rest = in + Vectors * group;
  Vector wide[chains][Vectors > 0 ? Vectors : 1] = {};
  Quarter narrow[chains][Quarters > 0 ? Quarters : 1] = {};
  const auto add = [&](int k, int chain) {
    const float value = values[k];
    const size_t unit = static_cast<size_t>(index[k]);
    for (int v = 0; v < Vectors; v++) wide[chain][v] += value * load(in + v * group + unit * 16);
    for (int q = 0; q < Quarters; q++) {
      narrow[chain][q] += value * *reinterpret_cast<const Quarter*>(rest + unit * (4 * Quarters) + 4 * q);
    }
  };
  int k = 0;
  for (; k + chains <= count; k += chains) {
    for (int chain = 0; chain < chains; chain++) add(k + chain, chain);
  }
  for (; k < count; k++) add(k, 0);
  for (int half = chains / 2; half > 0; half /= 2) {
    for (int chain = 0; chain < half; chain++) {
      for (int v = 0; v < Vectors; v++) wide[chain][v] += wide[chain + half][v];
      for (int q = 0; q < Quarters; q++) narrow[chain][q] += narrow[chain + half][q];
    }
  }
  for (int v = 0; v < Vectors; v++) store(sums + 16 * v, load(sums + 16 * v) + wide[0][v]);
  for (int q = 0; q < Quarters; q++) *reinterpret_cast<Quarter*>(sums + 16 * Vectors + 4 * q) += narrow[0][q];
}

/** The same for `Rows` rows of a dense matrix, `stride` apart, and as many rows of sums. */
template <int Rows, int Vectors, int Quarters>
void addRows(const float* values, size_t stride, int units, const float* in, float* sums) {
  const size_t group = static_cast<size_t>(units) * 16;
  const float* rest = in + Vectors * group;
  constexpr int width = 16 * Vectors + 4 * Quarters;
  Vector wide[Rows][Vectors > 0 ? Vectors : 1] = {};
  Quarter narrow[Rows][Quarters > 0 ? Quarters : 1] = {};
  for (int unit = 0; unit < units; unit++) {
    for (int row = 0; row < Rows; row++) {
      const float value = values[row * stride + unit];
      for (int v = 0; v < Vectors; v++) wide[row][v] += value * load(in + v * group + static_cast<size_t>(unit) * 16);
      for (int q = 0; q < Quarters; q++) {
        narrow[row][q] += value * *reinterpret_cast<const Quarter*>(rest + static_cast<size_t>(unit) * (4 * Quarters) + 4 * q);
      }
    }
  }
  for (int row = 0; row < Rows; row++) {
    float* to = sums + row * width;
    for (int v = 0; v < Vectors; v++) store(to + 16 * v, load(to + 16 * v) + wide[row][v]);
    for (int q = 0; q < Quarters; q++) *reinterpret_cast<Quarter*>(to + 16 * Vectors + 4 * q) += narrow[row][q];
  }
}

/** The products for a number of lanes, a multiple of 4 up to 64. */
template <typename Index>
struct StepProduct {
  void (*entries)(const Index*, const float*, int, const float*, int, float*);
  void (*rows)(const float*, size_t, int, const float*, float*);
  void (*row)(const float*, size_t, int, const float*, float*);
};

template <typename Index, int Vectors, int Quarters>
constexpr StepProduct<Index> stepProduct() {
  constexpr int rows = Vectors <= 2 ? 4 : 2;
  return {addEntries<Index, Vectors, Quarters>, addRows<rows, Vectors, Quarters>, addRows<1, Vectors, Quarters>};
}

template <typename Index>
const StepProduct<Index>& stepProductFor(int width) {
  static const StepProduct<Index> table[17] = {
      {},
      stepProduct<Index, 0, 1>(), stepProduct<Index, 0, 2>(), stepProduct<Index, 0, 3>(), stepProduct<Index, 1, 0>(),
      stepProduct<Index, 1, 1>(), stepProduct<Index, 1, 2>(), stepProduct<Index, 1, 3>(), stepProduct<Index, 2, 0>(),
      stepProduct<Index, 2, 1>(), stepProduct<Index, 2, 2>(), stepProduct<Index, 2, 3>(), stepProduct<Index, 3, 0>(),
      stepProduct<Index, 3, 1>(), stepProduct<Index, 3, 2>(), stepProduct<Index, 3, 3>(), stepProduct<Index, 4, 0>(),
  };
  return table[width / 4];
}

/** Lines of a product; for the rows of several gates, the same range once for each gate, `apart` lines apart. */
struct StepLines {
  Range range;
  int gates;
  int apart;
};

/** sums[line][lane] += sparse line times a slab, tile by tile, so that the slab stays in the first-level cache. */
template <typename Index>
void addSparse(const Lines<Index>& of, const float* slab, int width, float* sums, const StepLines& lines) {
  const StepProduct<Index>& product = stepProductFor<Index>(width);
  const int tiles = tilesOf(of.units);
  const int inCache = lanes / width;
  const int longEnough = of.tilesFor(shortRun);
  const int together = inCache > longEnough ? inCache : longEnough;
  for (int tile = 0; tile < tiles; tile += together) {
    const int next = tile + together < tiles ? tile + together : tiles;
    for (int gate = 0; gate < lines.gates; gate++) {
      const int end = gate * lines.apart + lines.range.end;
      for (int line = gate * lines.apart + lines.range.begin; line < end; line++) {
        if (line + ahead < end) prefetch<6>(of, of.at(tile, line + ahead));
        const int32_t first = of.at(tile, line);
        product.entries(of.index + first, of.values + first, of.at(next, line) - first, slab, of.units,
                        sums + static_cast<size_t>(line) * width);
      }
    }
  }
}

/** The same for a dense matrix [.., units]. */
void addDense(const float* values, int units, const float* slab, int width, float* sums, const StepLines& lines) {
  const StepProduct<uint16_t>& product = stepProductFor<uint16_t>(width);
  const int rows = width < 48 ? 4 : 2;
  for (int gate = 0; gate < lines.gates; gate++) {
    const int end = gate * lines.apart + lines.range.end;
    int line = gate * lines.apart + lines.range.begin;
    for (; line + rows <= end; line += rows) {
      product.rows(values + static_cast<size_t>(line) * units, units, units, slab, sums + static_cast<size_t>(line) * width);
    }
    for (; line < end; line++) {
      product.row(values + static_cast<size_t>(line) * units, units, units, slab, sums + static_cast<size_t>(line) * width);
    }
  }
}

/** sums += W times a slab for some rows. */
void addForward(const Matrix& weight, const float* slab, int width, float* sums, const StepLines& rows) {
  if (!weight.sparse) addDense(weight.values, weight.columns, slab, width, sums, rows);
  else if (weight.wide) addSparse(rowsOf<uint32_t>(weight), slab, width, sums, rows);
  else addSparse(rowsOf<uint16_t>(weight), slab, width, sums, rows);
}

/** sums += Wᵀ times a slab for some columns. */
void addTransposed(const Matrix& weight, const float* slab, int width, float* sums, Range columns) {
  const StepLines lines = {columns, 1, 0};
  if (!weight.sparse) addDense(weight.valuesByColumn, weight.rows, slab, width, sums, lines);
  else if (weight.wide) addSparse(columnsOf<uint32_t>(weight), slab, width, sums, lines);
  else addSparse(columnsOf<uint16_t>(weight), slab, width, sums, lines);
}

/** One chunk of a step's lanes. */
struct Chunk {
  int from;
  /** Lanes, a multiple of 4, and those of them that are streams. */
  int width;
  int filled;
};

inline Chunk chunkAt(int from, int batch, int stride) {
  const int width = stride - from < lanes ? stride - from : lanes;
  return {from, width, batch - from < width ? batch - from : width};
}

/** Calls f(at, count) for pieces of up to 16 of the numbers [begin, end). */
template <typename F>
inline void byVectors(size_t begin, size_t end, const F& f) {
  for (size_t at = begin; at < end; at += 16) f(at, end - at < 16 ? static_cast<int>(end - at) : 16);
}

/** As many numbers of a vector as there are; the others are 0. */
inline Vector loadSome(const float* at, int count) {
  if (count == 16) return load(at);
  alignas(64) float some[16] = {};
  copyLanes(some, at, count);
  return load(some);
}

inline void storeSome(float* at, Vector value, int count) {
  if (count == 16) return store(at, value);
  alignas(64) float some[16];
  store(some, value);
  copyLanes(at, some, count);
}
