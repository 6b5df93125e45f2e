#pragma once
#include <cstddef>
#include <cstdint>

namespace sparrow {

/**
 * Activations as kernels take them: positions in blocks of 64 lanes, [ceil(positions / 64)][units][64], so that what an
 * active weight touches is one broadcast against four or so vector registers of neighbouring memory. Lanes beyond the last
 * position are 0 in what products read; what they write there is nobody's.
 */
constexpr int lanes = 64;

static inline int blocksOf(int positions) { return (positions + lanes - 1) / lanes; }
static inline size_t blockedSize(int positions, int units) { return static_cast<size_t>(blocksOf(positions)) * units * lanes; }

/**
 * Units whose activations of one block stay in the first-level cache, with room for what passes by: sparse products go through their
 * matrix in tiles of so many columns.
 */
constexpr int tileUnits = 96;

static inline int tilesOf(int units) { return (units + tileUnits - 1) / tileUnits; }

/**
 * A weight matrix [rows, columns]. A sparse one in compressed rows and, for products with its transpose, in compressed
 * columns, too; of a dense one only `values`, row-major.
 */
struct Matrix {
  int rows;
  int columns;
  const float* values;
  bool sparse;
  /** Whether indices are 32 bits wide, not 16. */
  bool wide;
  const int32_t* rowStart;
  const void* column;
  const int32_t* columnStart;
  const void* row;
  /** Values in the order of the columns. */
  const float* valuesByColumn;
  /** Where the tiles of rows and of columns begin, [tilesOf(columns) + 1][rows] and [tilesOf(rows) + 1][columns]; or null. */
  const int32_t* rowTile;
  const int32_t* columnTile;
};

/** Rows a thread takes of a matrix: about equally many weights each. */
struct Range {
  int begin;
  int end;
};

/**
 * A layer of an LSTM over a window. Positions are step * batch + stream. `stride` is the batch, filled up to a multiple of 4; its lanes
 * are taken in chunks of up to 64: [chunks][units][lanes of a chunk].
 */
struct LstmSequence {
  int steps;
  int batch;
  int size;
  int stride;
  const Matrix* recurrent;
  /** What comes from the input, in blocks of [4 * size] units. */
  const float* projected;
  /** [steps][4 * size][stride]: the gates i, f, g, o of every step; the way back leaves its gradients there. */
  float* gates;
  /** Two slabs of `size` units, as recurrent products read them: hidden state before and after the step at hand, in turn. */
  float* hidden;
  /** [steps + 1][size][stride], the initial state first. */
  float* cells;
  /** [size][stride]: the hidden state of the step at hand, or its gradient. */
  float* out;
  /** [positions, size] */
  float* y;
  const float* dy;
  /** [batch, size]: gradient of the last hidden state. */
  const float* dHidden;
  /** [size][stride]: gradient of the cell after the step at hand; at first of the last one, in the end of the initial one. */
  float* dc;
  /** Two slabs of 4 * size units: gradient before the non-linearities, of the step at hand and the one after, in turn. */
  float* dz;
  /** The same of all steps, in blocks. */
  float* dGates;
};

enum class Cell { elman, gru, rhn, onLstm };

/**
 * A layer of another cell over a window; what is said of LstmSequence holds here, too. A *step* is one depth of one time step, and each
 * depth has a recurrent matrix of its own; only recurrent highway networks have more than one. Arrays of [units][stride] are flat, in
 * chunks of up to 64 lanes.
 */
struct CellSequence {
  Cell cell;
  /** Time steps of the window. */
  int steps;
  int depth;
  int batch;
  int size;
  /** Rows of every matrix. */
  int rows;
  int stride;
  /** First row of which what comes from the input is kept apart from what comes from the state; `rows` where there is none. */
  int apart;
  /** Master gates of an ordered-neurons LSTM, and units of each. */
  int masters;
  int chunk;
  /** One for each depth: matrices, and biases [rows]. */
  const Matrix* recurrent;
  const float* const* biases;
  /** What comes from the input, in blocks of [rows] units. */
  const float* projected;
  /** [size][stride]: what the matrices see of the state is multiplied with this; null for all of it. */
  const float* mask;
  /** [rows][stride], and [rows - apart][stride]: the sums of the step at hand. */
  float* sums;
  float* apartSums;
  /** Two slabs of `size` units: what the matrices see before and after the step at hand, in turn. */
  float* slab;
  /** [steps * depth + 1][size][stride], the initial state first. */
  float* states;
  /** [steps + 1][size][stride], of a cell that has such; else null. */
  float* cells;
  /** [steps * depth][keptUnits][stride]: what else a step keeps for its way back. */
  float* kept;
  int keptUnits;
  /** [positions, size] */
  float* y;
  const float* dy;
  /** [batch, size]: gradients of the last hidden state and of the initial one. */
  const float* dHidden;
  float* dInitial;
  /** [size][stride]: gradient of the state after the step at hand, of its cell, and of the state before past the product. */
  float* dh;
  float* dc;
  float* carry;
  /** [rows][stride], [rows - apart][stride]: gradient before the non-linearities, and what of it is the input's. */
  float* dz;
  float* dApart;
  /** [2 size][stride]: of the master gates of every unit. */
  float* dMasters;
  /** Two slabs of `rows` units: of the step at hand and the one after, in turn. */
  float* dzSlab;
  /** Of all steps in blocks, depth by depth; and of what comes from the input, which is that of the first depth where nothing is apart. */
  float* dRecurrent;
  float* dInput;
  /** [depth][positions, size]: what the matrices saw. */
  float* seen;
};

struct AdamRates {
  float scale;
  float decay;
  float beta1;
  float beta2;
  float epsilon;
  /** Square root of 1 - beta2^t. */
  float root2;
  /** Learning rate over 1 - beta1^t. */
  float rate;
};

/** Word i of a draw decides about unit i: it is dropped if the word is below the threshold, else scaled. */
struct DropoutDraw {
  uint32_t seed;
  uint32_t purpose;
  uint32_t a;
  uint32_t b;
  uint32_t threshold;
  float scale;
};

/** One thread's part of each kernel, for one vector width. Threads write to disjoint memory; results do not depend on their number. */
struct Kernels {
  const char* name;
  /** How many multiplications of `denseGradient` take as long as one of `gradient`: measured, and fixed, since it decides how sums go. */
  float sampledCost;
  /** [positions, units] row-major to blocks. */
  void (*pack)(const float* x, int positions, int units, float* blocked, Range units_);
  /** Blocks to [positions, units]. */
  void (*unpack)(const float* blocked, int positions, int units, float* x, Range units_);
  /** y = W x + bias, blocks to blocks, for some rows; `bias` may be null. */
  void (*forward)(const Matrix& weight, const float* bias, const float* x, int blocks, float* y, Range rows);
  /** x = Wᵀ y, blocks to blocks, for some columns. */
  void (*transposed)(const Matrix& weight, const float* y, int blocks, float* x, Range columns);
  /** gradient = sum over positions of y xᵀ at the active weights of a sparse matrix, for some rows. */
  void (*gradient)(const Matrix& weight, const float* y, const float* x, int blocks, float* gradient, Range rows);
  /** The whole gradient of some rows, [rows of the range, columns]; x in panels, [ceil(columns / 64)][positions][64]. */
  void (*denseGradient)(const float* y, int rows, const float* panels, int positions, int columns, float* gradient, Range range);
  /** [64][64]: the products of all pairs of positions of two blocks of the same activations, a part of A Aᵀ; or adds those of further units. */
  void (*gram)(const float* first, const float* second, int units, double* products, bool add);
  /** Sum of the products of two such tables: what the blocks add to the squared norm of y xᵀ. */
  double (*gramProduct)(const double* ofY, const double* ofX);
  void (*lstmForward)(const LstmSequence& sequence, int step, Range units);
  void (*lstmBackward)(const LstmSequence& sequence, int step, Range units);
  /** Gradient of the initial hidden state, [batch, size]. */
  void (*lstmInitial)(const LstmSequence& sequence, float* dHidden, Range units);
  /** Sums of a step of another cell for some rows, then what the cell makes of them for some units; between them, its master gates. */
  void (*cellSums)(const CellSequence& sequence, int step, Range rows);
  void (*cellMastersForward)(const CellSequence& sequence, int step);
  void (*cellForward)(const CellSequence& sequence, int step, Range units);
  /** Gradient of the state after a step (or the initial one, -1) for some units, then of the sums of that step, then of its master gates. */
  void (*cellHidden)(const CellSequence& sequence, int step, Range units);
  void (*cellBackward)(const CellSequence& sequence, int step, Range units);
  void (*cellMastersBackward)(const CellSequence& sequence, int step);
  /** largest[lane] = the largest logit of each lane of a block, over some rows. */
  void (*largestOf)(const float* logits, Range rows, float* largest);
  /** Logits of some rows of a block to e^(logit - largest) in place, and their sums. */
  void (*exponentials)(float* logits, Range rows, const float* largest, float* sums);
  /** Some rows of a block times factor[lane], in place. */
  void (*scaleLanes)(float* numbers, Range rows, const float* factor);
  /** Sum over all positions of each row. */
  void (*rowSums)(const float* y, int rows, int blocks, float* sums, Range range);
  void (*sgd)(float* w, const float* g, const float* mask, float scale, float decay, float rate, int begin, int end);
  void (*averagedSgd)(float* w, const float* g, const float* mask, float* average, const float* since, float now, float scale,
                      float decay, float rate, int begin, int end);
  void (*adam)(float* w, const float* g, const float* mask, float* m1, float* m2, const AdamRates& rates, int begin, int end);
  void (*multiply)(const float* x, const float* y, float* product, int begin, int end);
  double (*sumOfSquares)(const float* x, int begin, int end);
  /** mask[4 n .. 4 n + 3] = 0 or scale for the words of the Philox draws (n, a, b, 0), from draw `begin` to the number before mask[end]. */
  void (*dropout)(const DropoutDraw& draw, float* mask, int begin, int end);
};

extern const Kernels kernelsPlain;
#if defined(__x86_64__)
extern const Kernels kernelsAvx2;
extern const Kernels kernelsAvx512;
#endif

}  // namespace sparrow
