#include "engine.h"

#include "engine_parts.h"

// Linear maps, and the products and gradients of their matrices alone.
namespace sparrow {

void Engine::linearForward(const Matrix& weight, const float* bias, const float* x, int positions, float* y) {
  const int blocks = blocksOf(positions);
  float* in = scratch(inputBlocks, blockedSize(positions, weight.columns));
  float* out = scratch(outputBlocks, blockedSize(positions, weight.rows));
  packAll(x, positions, weight.columns, in);
  pool_.run(isSmall(weight, positions), [&](int thread) { kernels_.forward(weight, bias, in, blocks, out, balanced(weight, false, thread)); });
  unpackAll(out, positions, weight.rows, y);
}

void Engine::linearBackward(const Matrix& weight, const int32_t* source, const float* dy, const float* x, int positions, float* dx,
                            float* dWeight, float* dBias, const Whole& whole) {
  const int blocks = blocksOf(positions);
  float* in = scratch(inputBlocks, blockedSize(positions, weight.columns));
  float* out = scratch(outputBlocks, blockedSize(positions, weight.rows));
  packAll(dy, positions, weight.rows, out);
  const Matrix both = withColumns(weight, source, columnOrder);
  pool_.run(isSmall(weight, positions), [&](int thread) {
    kernels_.transposed(both, out, blocks, in, balanced(weight, true, thread));
    kernels_.rowSums(out, weight.rows, blocks, dBias, part(weight.rows, thread));
  });
  unpackAll(in, positions, weight.columns, dx);
  gradients(out, positions, {{weight, x, inputBlocks, dWeight, whole}});
}

void Engine::transposedProduct(const Matrix& weight, const int32_t* source, const float* y, int positions, float* x) {
  float* in = scratch(inputBlocks, blockedSize(positions, weight.columns));
  float* out = scratch(outputBlocks, blockedSize(positions, weight.rows));
  packAll(y, positions, weight.rows, out);
  const Matrix both = withColumns(weight, source, columnOrder);
  pool_.run(isSmall(weight, positions), [&](int thread) {
    kernels_.transposed(both, out, blocksOf(positions), in, balanced(weight, true, thread));
  });
  unpackAll(in, positions, weight.columns, x);
}

void Engine::weightGradient(const Matrix& weight, const float* dy, const float* x, int positions, float* dWeight, const Whole& whole) {
  float* out = scratch(outputBlocks, blockedSize(positions, weight.rows));
  packAll(dy, positions, weight.rows, out);
  gradients(out, positions, {{weight, x, inputBlocks, dWeight, whole}});
}

}  // namespace sparrow
