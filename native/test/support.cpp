#include "support.h"
#include "tiles.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

// What the engine allocates as an array is scratch memory for `count` numbers at a multiple of 64 bytes, with room for 16 more
// to find one (Engine::scratch). Here it is at such a multiple to begin with, the room is out of bounds, and what is in it is NaN.
void* operator new[](std::size_t bytes) {
  constexpr std::size_t room = 64;
  const std::size_t whole = (bytes + room - 1) / room * room;
  char* memory = static_cast<char*>(std::aligned_alloc(64, whole));
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 0xff, whole);
#if defined(__SANITIZE_ADDRESS__)
  if (bytes > room) ASAN_POISON_MEMORY_REGION(memory + bytes - room, whole - bytes + room);
#endif
  return memory;
}
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace sparrow::test {

namespace {
int failures = 0;
}

void check(bool ok, const std::string& what) {
  if (ok) return;
  failures++;
  std::fprintf(stderr, "FAIL %s\n", what.c_str());
}

void checkNear(const Floats& got, const Doubles& want, const std::string& what, double tolerance) {
  check(got.size() == want.size(), what + ": size");
  if (got.size() != want.size()) return;
  double largest = 0.01;
  for (const double number : want) largest = std::fmax(largest, std::fabs(number));
  for (size_t i = 0; i < got.size(); i++) {
    if (std::fabs(got[i] - want[i]) <= tolerance * largest) continue;
    return check(false, what + "[" + std::to_string(i) + "]: " + std::to_string(got[i]) + ", not " + std::to_string(want[i]));
  }
}

void checkNear(double got, double want, const std::string& what, double tolerance) {
  const bool ok = std::fabs(got - want) <= tolerance * std::fabs(want) + 1e-12;
  check(ok, what + ": " + std::to_string(got) + ", not " + std::to_string(want));
}

Weight::Weight(int rows, int columns, Storage storage, double density, unsigned seed)
    : rows(rows), columns(columns), storage(storage), dense(static_cast<size_t>(rows) * columns), active(dense.size()) {
  Numbers numbers(seed);
  const bool sparse = storage != Storage::dense;
  std::vector<int32_t> columnOf, rowOf, order(dense.size());
  rowStart.push_back(0);
  for (size_t at = 0; at < dense.size(); at++) {
    const int row = static_cast<int>(at / columns);
    const bool drawn = (numbers.next() + 1) / 2 < density;
    active[at] = !sparse || row == 0 || (row != 1 && drawn);
    if (active[at]) {
      dense[at] = numbers.next();
      order[at] = static_cast<int32_t>(values.size());
      values.push_back(dense[at]);
      columnOf.push_back(static_cast<int32_t>(at % columns));
    }
    if ((at + 1) % columns == 0) rowStart.push_back(static_cast<int32_t>(values.size()));
  }
  columnStart.push_back(0);
  for (int column = 0; column < columns; column++) {
    for (int row = 0; row < rows; row++) {
      const size_t at = static_cast<size_t>(row) * columns + column;
      if (!active[at]) continue;
      valuesByColumn.push_back(dense[at]);
      rowOf.push_back(row);
      source.push_back(order[at]);
    }
    columnStart.push_back(static_cast<int32_t>(valuesByColumn.size()));
  }
  // Of the size that they are filled to.
  narrowColumn.assign(columnOf.begin(), columnOf.end());
  narrowRow.assign(rowOf.begin(), rowOf.end());
  wideColumn.assign(columnOf.begin(), columnOf.end());
  wideRow.assign(rowOf.begin(), rowOf.end());
  rowTile = tileStarts(rowStart, wideColumn, columns);
  columnTile = tileStarts(columnStart, wideRow, rows);
  values.shrink_to_fit();
  valuesByColumn.shrink_to_fit();
  rowStart.shrink_to_fit();
  columnStart.shrink_to_fit();
  source.shrink_to_fit();
}

Matrix Weight::matrix() const {
  Matrix matrix{};
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.values = values.data();
  if (storage == Storage::dense) return matrix;
  matrix.sparse = true;
  matrix.wide = storage == Storage::wide;
  matrix.rowStart = rowStart.data();
  matrix.columnStart = columnStart.data();
  matrix.rowTile = rowTile.data();
  matrix.columnTile = columnTile.data();
  if (matrix.wide) {
    matrix.column = wideColumn.data();
    matrix.row = wideRow.data();
  } else {
    matrix.column = narrowColumn.data();
    matrix.row = narrowRow.data();
  }
  return matrix;
}

Doubles Weight::stored(const Doubles& gradient) const {
  Doubles kept;
  for (size_t at = 0; at < gradient.size(); at++) {
    if (active[at]) kept.push_back(gradient[at]);
  }
  return kept;
}

std::string Weight::name() const {
  const char* kind = storage == Storage::dense ? "dense " : storage == Storage::narrow ? "16 bit " : "32 bit ";
  return kind + std::to_string(rows) + " x " + std::to_string(columns);
}

Doubles outerProducts(const Doubles& y, int rows, const Doubles& x, int columns, int positions) {
  Doubles sum(static_cast<size_t>(rows) * columns);
  for (int position = 0; position < positions; position++) {
    for (int row = 0; row < rows; row++) {
      const double above = y[static_cast<size_t>(position) * rows + row];
      const double* from = x.data() + static_cast<size_t>(position) * columns;
      double* to = sum.data() + static_cast<size_t>(row) * columns;
      for (int column = 0; column < columns; column++) to[column] += above * from[column];
    }
  }
  return sum;
}

double squaredNorm(const Doubles& numbers) {
  double sum = 0;
  for (const double number : numbers) sum += number * number;
  return sum;
}

std::vector<const Kernels*> testedKernels() {
  const std::vector<const Kernels*> runnable = runnableKernels();
  return onlyTogether ? std::vector<const Kernels*>{runnable.back()} : runnable;
}

void onEveryEngine(const std::function<void(Engine& engine, const std::string& where)>& work) {
  for (const Kernels* kernels : testedKernels()) {
    for (const int threads : {1, 3}) {
      if (onlyTogether && threads == 1) continue;
      Engine engine(threads, *kernels);
      work(engine, std::string(kernels->name) + ", " + std::to_string(threads) + " threads: ");
    }
  }
}

}  // namespace sparrow::test

int main() {
  using namespace sparrow::test;
  testPool();
  testProducts();
  testLstm();
  testCells();
  testDecoder();
  testUpdates();
  if (failures > 0) std::fprintf(stderr, "%d checks failed\n", failures);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
