// What the tests of the native engine share: one program of several files, so that it can be built with sanitizers
// (scripts/sanitize.mjs). Arrays have exactly the size that a kernel may touch, and what nobody wrote is NaN.
#pragma once
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "../src/dispatch.h"
#include "../src/engine.h"
#include "../src/kernels.h"

namespace sparrow::test {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

void check(bool ok, const std::string& what);

/** Memory that is to be written whole. */
inline Floats unwritten(size_t count) { return Floats(count, NAN); }

/** Numbers between -1 and 1, the same on every machine. */
class Numbers {
 public:
  explicit Numbers(unsigned seed) : state_(seed * 2654435761u + 1) {}
  float next() {
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<float>(state_ >> 8) / (1 << 23) - 1;
  }
  Floats many(size_t count) {
    Floats numbers(count);
    for (float& number : numbers) number = next();
    return numbers;
  }
  std::vector<int32_t> words(size_t count, int below) {
    std::vector<int32_t> words(count);
    for (int32_t& word : words) word = static_cast<int32_t>((next() + 1) / 2 * below) % below;
    return words;
  }

 private:
  unsigned state_;
};

/** What C++ and plain loops in float64 have computed is the same but for rounding, relative to the largest number. */
void checkNear(const Floats& got, const Doubles& want, const std::string& what, double tolerance = 1e-5);
void checkNear(double got, double want, const std::string& what, double tolerance = 1e-5);

enum class Storage { dense, narrow, wide };
constexpr Storage storages[] = {Storage::dense, Storage::narrow, Storage::wide};

/** A weight matrix with all that kernels and plain loops need of it. Of a sparse one row 0 is full and row 1 empty. */
struct Weight {
  Weight(int rows, int columns, Storage storage, double density, unsigned seed);

  int rows;
  int columns;
  Storage storage;
  /** Row-major; 0 where a weight is inactive. */
  Floats dense;
  std::vector<bool> active;
  Floats values, valuesByColumn;
  std::vector<int32_t> rowStart, columnStart;
  /** Where the values by column are among those by row. */
  std::vector<int32_t> source;
  std::vector<uint16_t> narrowColumn, narrowRow;
  std::vector<uint32_t> wideColumn, wideRow;
  std::vector<int32_t> rowTile, columnTile;

  float at(int row, int column) const { return dense[static_cast<size_t>(row) * columns + column]; }
  /** Without `valuesByColumn`, which the engine makes itself. */
  Matrix matrix() const;
  /** Of a whole gradient what is stored. */
  Doubles stored(const Doubles& gradient) const;
  std::string name() const;
};

/** Sum over positions of y xᵀ, and its squared norm; y [positions, rows], x [positions, columns]. */
Doubles outerProducts(const Doubles& y, int rows, const Doubles& x, int columns, int positions);
double squaredNorm(const Doubles& numbers);
inline Doubles asDoubles(const Floats& numbers) { return Doubles(numbers.begin(), numbers.end()); }

/**
 * Small work is done by one thread, so that there is nothing in it for ThreadSanitizer, which makes everything many times slower:
 * with it only what all threads do is tested, and with the widest vectors.
 */
#if defined(__SANITIZE_THREAD__)
constexpr bool onlyTogether = true;
#else
constexpr bool onlyTogether = false;
#endif

/** The tables of every width that runs here. */
std::vector<const Kernels*> testedKernels();

/** A new engine for each vector width and number of threads: its scratch memory is no larger than what is needed. */
void onEveryEngine(const std::function<void(Engine& engine, const std::string& where)>& work);

void testPool();
void testProducts();
void testLstm();
void testCells();
void testDecoder();
void testUpdates();

}  // namespace sparrow::test
