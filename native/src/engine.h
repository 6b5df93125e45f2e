#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <vector>
#include "kernels.h"
#include "pool.h"

namespace sparrow {

/** A window of an LSTM layer as the op has it: every array row-major and in the memory of a tensor. */
struct LstmWindow {
  int steps;
  int batch;
  /** Units of the input and of the layer. */
  int inputs;
  int size;
  /** [steps * batch, inputs] and [steps * batch, size] */
  const float* x;
  float* y;
  /** [batch, size] before the window. */
  const float* hidden;
  const float* cell;
  /** Kept for the way back, which uses `gates` up: lstmGatesSize and lstmCellsSize numbers. */
  float* gates;
  float* cells;
};

/** Lanes of a step: the batch, filled up to a multiple of 4. */
inline int strideOf(int batch) { return (batch + 3) / 4 * 4; }
inline size_t lstmGatesSize(int steps, int batch, int size) { return static_cast<size_t>(steps) * 4 * size * strideOf(batch); }
inline size_t lstmCellsSize(int steps, int batch, int size) {
  return static_cast<size_t>(steps + 1) * size * strideOf(batch);
}

/** A window of a layer of another cell as the op has it. */
struct CellWindow {
  Cell cell;
  int steps;
  int batch;
  int inputs;
  int size;
  /** Units of a master gate of an ordered-neurons LSTM. */
  int chunk;
  const float* x;
  float* y;
  const float* hidden;
  /** null for a cell without. */
  const float* cellState;
  /** [batch, size]: what is multiplied with what the recurrent matrices see; or null. */
  const float* mask;
  /** Kept for the way back: cellStatesSize, lstmCellsSize and cellKeptSize numbers. */
  float* states;
  float* cells;
  float* kept;
};

/** Rows of the matrices of a cell. */
inline int cellRows(Cell cell, int size, int chunk) {
  switch (cell) {
    case Cell::elman: return size;
    case Cell::gru: return 3 * size;
    case Cell::rhn: return 2 * size;
    default: return 4 * size + 2 * (size / chunk);
  }
}
/** Units that a step keeps beside its states. */
inline int cellKeptUnits(Cell cell, int size, int chunk) {
  switch (cell) {
    case Cell::elman: return 0;
    case Cell::gru: return 4 * size;
    case Cell::rhn: return 2 * size;
    default: return 4 * size + 4 * (size / chunk);
  }
}
inline size_t cellStatesSize(const CellWindow& w, int depth) {
  return (static_cast<size_t>(w.steps) * depth + 1) * w.size * strideOf(w.batch);
}
inline size_t cellKeptSize(const CellWindow& w, int depth) {
  return static_cast<size_t>(w.steps) * depth * cellKeptUnits(w.cell, w.size, w.chunk) * strideOf(w.batch);
}

/** Probabilities of all words, and what they were divided by, at each position. */
inline size_t decodedSize(int positions, int words) { return blockedSize(positions, words + 1); }

/** What is asked of the gradient of all weights of a sparse matrix. */
struct Whole {
  /** Takes its squared norm where it is not null. */
  double* norm = nullptr;
  /** [sketches, columns] takes the product of signs [sketches, rows] and it where there are any. */
  const float* signs = nullptr;
  float* sketch = nullptr;
  int sketches = 0;

  Whole() = default;
  Whole(double* norm_) : norm(norm_) {}
  Whole(const float* signs_, float* sketch_, int sketches_) : signs(signs_), sketch(sketch_), sketches(sketches_) {}
};

/**
 * The ops of a training step on one pool of threads with the kernels of one vector width. What is needed between the kernels of an
 * op lies in scratch memory that is kept, so that a step allocates nothing. Sums go over the same numbers in the same order whatever the
 * number of threads.
 */
class Engine {
 public:
  Engine(int threads, const Kernels& kernels);


  /** y = x Wᵀ + bias; x [positions, columns], y [positions, rows]. */
  void linearForward(const Matrix& weight, const float* bias, const float* x, int positions, float* y);
  /** Gradients of all three. */
  void linearBackward(const Matrix& weight, const int32_t* source, const float* dy, const float* x, int positions, float* dx,
                      float* dWeight, float* dBias, const Whole& whole);
  /** x = y W. */
  void transposedProduct(const Matrix& weight, const int32_t* source, const float* y, int positions, float* x);
  /** dWeight = dyᵀ x. */
  void weightGradient(const Matrix& weight, const float* dy, const float* x, int positions, float* dWeight, const Whole& whole);

  void lstmForward(const Matrix& input, const Matrix& recurrent, const float* inputBias, const float* recurrentBias,
                   const LstmWindow& window, float* hiddenAfter, float* cellAfter);
  struct LstmGradients {
    const float* dy;
    const float* dHiddenAfter;
    const float* dCellAfter;
    float* dx;
    float* dInput;
    float* dRecurrent;
    float* dBias;
    float* dHidden;
    float* dCell;
    Whole wholeInput;
    Whole wholeRecurrent;
  };
  void lstmBackward(const Matrix& input, const int32_t* inputSource, const Matrix& recurrent, const int32_t* recurrentSource,
                    const LstmWindow& window, const LstmGradients& gradients);

  /** A matrix of a depth, its bias and, on the way back, their gradients. */
  struct Recurrent {
    Matrix weight;
    const int32_t* source;
    const float* bias;
    float* dWeight;
    float* dBias;
    Whole whole;
  };
  /** @param cellAfter null for a cell without */
  void cellForward(const Matrix& input, const float* inputBias, const std::vector<Recurrent>& recurrent, const CellWindow& window,
                   float* hiddenAfter, float* cellAfter);
  struct CellGradients {
    const float* dy;
    const float* dHiddenAfter;
    const float* dCellAfter;
    float* dx;
    float* dInput;
    float* dInputBias;
    float* dHidden;
    float* dCell;
    Whole wholeInput;
  };
  void cellBackward(const Matrix& input, const int32_t* inputSource, const std::vector<Recurrent>& recurrent, const CellWindow& window,
                    const CellGradients& gradients);

  /**
   * Mean cross-entropy of softmax(y Wᵀ + bias); `probabilities` keeps decodedSize(positions, rows) numbers for the way back, which uses
   * them up. Where they are asked for, `ofTargets` takes the probability of each target. On the way back each position counts for dLoss /
   * positions, or for a share of its own.
   */
  float decode(const Matrix& weight, const float* bias, const float* y, const int32_t* targets, int positions, float* probabilities,
               float* ofTargets = nullptr);
  void decodeBackward(const Matrix& weight, const int32_t* source, const float* y, const int32_t* targets, int positions,
                      float* probabilities, float dLoss, float* dy, float* dWeight, float* dBias, const Whole& whole,
                      const float* shares = nullptr);

  /** Rows of W, [positions, columns]. */
  void lookUp(const Matrix& weight, const int32_t* words, int positions, float* rows);
  void lookUpBackward(const Matrix& weight, const int32_t* words, int positions, const float* dRows, float* dWeight, const Whole& whole);

  void sgd(float* w, const float* g, const float* mask, int count, float scale, float decay, float rate);
  void averagedSgd(float* w, const float* g, const float* mask, float* average, const float* since, int count, float now, float scale,
                   float decay, float rate);
  void adam(float* w, const float* g, const float* mask, float* m1, float* m2, int count, const AdamRates& rates);
  /** product[i] = x[i] y[i] */
  void multiply(const float* x, const float* y, float* product, int count);
  double sumOfSquares(const float* x, int count);
  /** mask[i] = 0 or scale: word i of the draw against its threshold. */
  void dropout(const DropoutDraw& draw, float* mask, int count);

 private:
  /** What forward and backward pass of a cell have in common. */
  CellSequence sequenceOf(const CellWindow& window, int depth);
  /** Memory that stays: the n-th piece of the op at hand. */
  float* scratch(int piece, size_t count);
  Range part(int count, int thread) const;
  /** Rows (or columns) with about equally many weights. */
  Range balanced(const Matrix& weight, bool byColumn, int thread) const;
  Matrix withColumns(const Matrix& weight, const int32_t* source, int piece);
  void packAll(const float* x, int positions, int units, float* blocked);
  void unpackAll(const float* blocked, int positions, int units, float* x);
  /** [positions, columns] to panels of 64 columns, [panels][positions][64]. */
  void packPanels(const float* x, int positions, int columns, float* panels);
  /** The gradient dyᵀ x of a matrix. */
  struct Gradient {
    const Matrix& weight;
    /** [positions, columns] */
    const float* x;
    /** Scratch memory for x in blocks. */
    int blocks;
    float* dWeight;
    Whole whole;
  };
  /** Gradients of matrices that have the gradient of their output, in blocks, in common. */
  void gradients(const float* dy, int positions, std::initializer_list<Gradient> wanted);
  /** sketch = signs times dyᵀ x, with x in panels */
  void makeSketch(const Matrix& weight, const float* dy, const float* panels, int positions, const Whole& whole);
  bool wholeIsCheaper(const Matrix& weight, int positions, bool norm, int sharing) const;
  /** All of the gradient of a sparse matrix, a few rows at a time, of which what is active is kept. */
  void wholeGradient(const Matrix& weight, const float* dy, const float* panels, int positions, float* dWeight, double* norm);
  /** Activations of which, with those of the output, a gradient is made, and where its squared norm goes. */
  struct Factor {
    const float* blocked;
    int units;
    double* norm;
  };
  /** Squared norms of y xᵀ for several x in blocks, from the products of positions: sum of (y yᵀ)(x xᵀ). */
  void gramNorms(const float* y, int yUnits, const Factor* factors, size_t count, int blocks);

  Pool pool_;
  const Kernels& kernels_;
  struct Piece {
    std::unique_ptr<float[]> memory;
    size_t size = 0;
  };
  std::vector<Piece> pieces_;
};

}  // namespace sparrow
