#pragma once
#include <cstddef>
#include <cstdint>
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
  /** Kept for the way back: gatesSize and cellsSize numbers. */
  float* gates;
  float* cells;
};

inline size_t lstmGatesSize(int steps, int batch, int size) { return blockedSize(steps * batch, 4 * size); }
inline int strideOf(int batch) { return (batch + 3) / 4 * 4; }
inline size_t lstmCellsSize(int steps, int batch, int size) {
  return static_cast<size_t>(steps + 1) * size * strideOf(batch);
}

/**
 * The ops of a training step on one pool of threads with the kernels of one vector width. What is needed between the kernels of an
 * op lies in scratch memory that is kept, so that a step allocates nothing. Sums go over the same numbers in the same order whatever the
 * number of threads.
 */
class Engine {
 public:
  Engine(int threads, const Kernels& kernels);

  int threads() const { return pool_.size(); }
  const Kernels& kernels() const { return kernels_; }

  /** y = x Wᵀ + bias; x [positions, columns], y [positions, rows]. */
  void linearForward(const Matrix& weight, const float* bias, const float* x, int positions, float* y);
  /** Gradients of all three; `norm` takes the squared norm of the whole gradient of W where it is not null. */
  void linearBackward(const Matrix& weight, const int32_t* source, const float* dy, const float* x, int positions, float* dx,
                      float* dWeight, float* dBias, double* norm);

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
    double* inputNorm;
    double* recurrentNorm;
  };
  void lstmBackward(const Matrix& input, const int32_t* inputSource, const Matrix& recurrent, const int32_t* recurrentSource,
                    const LstmWindow& window, const LstmGradients& gradients);

  /** Mean cross-entropy of softmax(y Wᵀ + bias); `probabilities` keeps blockedSize(positions, rows) numbers. */
  float decode(const Matrix& weight, const float* bias, const float* y, const int32_t* targets, int positions, float* probabilities);
  void decodeBackward(const Matrix& weight, const int32_t* source, const float* y, const int32_t* targets, int positions,
                      const float* probabilities, float dLoss, float* dy, float* dWeight, float* dBias, double* norm);

  /** Rows of W, [positions, columns]. */
  void lookUp(const Matrix& weight, const int32_t* words, int positions, float* rows);
  void lookUpBackward(const Matrix& weight, const int32_t* words, int positions, const float* dRows, float* dWeight, double* norm);

  void sgd(float* w, const float* g, const float* mask, int count, float scale, float decay, float rate);
  void averagedSgd(float* w, const float* g, const float* mask, float* average, const float* since, int count, float now, float scale,
                   float decay, float rate);
  void adam(float* w, const float* g, const float* mask, float* m1, float* m2, int count, const AdamRates& rates);
  /** product[i] = x[i] y[i] */
  void multiply(const float* x, const float* y, float* product, int count);
  double sumOfSquares(const float* x, int count);
  /** mask[i] = 0 or scale: word i of the Philox draw (seed, purpose, a, b) against a threshold. */
  void dropout(uint32_t seed, uint32_t purpose, uint32_t a, uint32_t b, uint32_t threshold, float scale, float* mask, int count);

 private:
  /** Memory that stays: the n-th piece of the op at hand. */
  float* scratch(int piece, size_t count);
  Range part(int count, int thread) const;
  /** Rows (or columns) with about equally many weights. */
  Range balanced(const Matrix& weight, bool byColumn, int thread) const;
  Matrix withColumns(const Matrix& weight, const int32_t* source, int piece);
  void packAll(const float* x, int positions, int units, float* blocked);
  void unpackAll(const float* blocked, int positions, int units, float* x);
  /** Gradient of W, bias and input from that of the output in blocks. */
  void backward(const Matrix& weight, const float* dyBlocked, const float* xBlocked, const float* x, int positions, float* dWeight,
                double* norm);
  /** Activations of which, with those of the output, a gradient is made, and where its squared norm goes. */
  struct Factor {
    const float* blocked;
    int units;
    double* norm;
  };
  /** Squared norms of y xᵀ for several x in blocks, from the products of positions: sum of (y yᵀ)(x xᵀ). */
  void gramNorms(const float* y, int yUnits, const std::vector<Factor>& factors, int blocks);

  Pool pool_;
  const Kernels& kernels_;
  struct Piece {
    std::unique_ptr<float[]> memory;
    size_t size = 0;
  };
  std::vector<Piece> pieces_;
};

}  // namespace sparrow
