// The kernels of one vector width: included once for each, with SPARROW_KERNELS the name of the table and SPARROW_TILE how
// many vectors of 16 lanes a tile of a dense product keeps in registers, SPARROW_SAMPLED_COST the table's sampledCost. No other header of the library is used here, so that no
// code compiled for one machine can be linked into what runs on another.
#include <cstring>
#include "kernels.h"

namespace sparrow {
namespace {

#include "kernels/vector.inl"
#include "kernels/layout.inl"
#include "kernels/sparse.inl"
#include "kernels/dense.inl"
#include "kernels/recurrent.inl"
#include "kernels/lstm.inl"
#include "kernels/cells.inl"
#include "kernels/elman.inl"
#include "kernels/gru.inl"
#include "kernels/rhn.inl"
#include "kernels/on_lstm.inl"
#include "kernels/cell_steps.inl"
#include "kernels/decoder.inl"
#include "kernels/update.inl"

void forward(const Matrix& weight, const float* bias, const float* x, int blocks, float* y, Range rows) {
  if (!weight.sparse) {
    for (int block = 0; block < blocks; block++) {
      denseProduct(weight.values, weight.columns, bias, x + static_cast<size_t>(block) * weight.columns * lanes,
                   y + static_cast<size_t>(block) * weight.rows * lanes, rows);
    }
    return;
  }
  if (weight.wide) sparseProducts(rowsOf<uint32_t>(weight), bias, x, blocks, y, rows);
  else sparseProducts(rowsOf<uint16_t>(weight), bias, x, blocks, y, rows);
}

void transposed(const Matrix& weight, const float* y, int blocks, float* x, Range columns) {
  if (!weight.sparse) {
    for (int block = 0; block < blocks; block++) {
      denseProduct(weight.valuesByColumn, weight.rows, nullptr, y + static_cast<size_t>(block) * weight.rows * lanes,
                   x + static_cast<size_t>(block) * weight.columns * lanes, columns);
    }
    return;
  }
  if (weight.wide) sparseProducts(columnsOf<uint32_t>(weight), nullptr, y, blocks, x, columns);
  else sparseProducts(columnsOf<uint16_t>(weight), nullptr, y, blocks, x, columns);
}

void gradient(const Matrix& weight, const float* y, const float* x, int blocks, float* gradient, Range rows) {
  if (weight.wide) sparseGradient(rowsOf<uint32_t>(weight), y, x, blocks, gradient, rows);
  else sparseGradient(rowsOf<uint16_t>(weight), y, x, blocks, gradient, rows);
}

}  // namespace

const Kernels SPARROW_KERNELS = {
    SPARROW_NAME, SPARROW_SAMPLED_COST, pack, unpack,      forward,   transposed,   gradient,   denseGradient, gram, gramProduct,  lstmForward,
    lstmBackward, lstmInitial,  cellSums, cellMastersForward, cellForward, cellHidden, cellBackward, cellMastersBackward, largestOf,   exponentials, scaleLanes, rowSums,  sgd,           averagedSgd, adam,      multiply,
    sumOfSquares, dropout,
};

}  // namespace sparrow
