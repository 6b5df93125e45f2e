#include "cell_calls.h"

#include <string>
#include <vector>

#include "arguments.h"

namespace sparrow {
namespace {

size_t times(int a, int b) { return static_cast<size_t>(a) * b; }

Cell cellOf(Arguments& a) {
  const std::string name = a.text();
  if (name == "elman") return Cell::elman;
  if (name == "gru") return Cell::gru;
  if (name == "rhn") return Cell::rhn;
  if (name != "onLstm") a.fail("is no cell: " + name);
  return Cell::onLstm;
}

/** The window as far as both calls begin with it: cell, steps, batch, chunk. */
CellWindow windowOf(Arguments& a) {
  CellWindow w{};
  w.cell = cellOf(a);
  w.steps = a.count();
  w.batch = a.count();
  if (times(w.steps, w.batch) > 1 << 30) a.fail("makes more than 2^30 positions");
  w.chunk = a.count();
  return w;
}

/** The units of a layer from the rows of a matrix; the chunk must divide them. */
int unitsOf(Arguments& a, const CellWindow& w, const Matrix& input) {
  const double each = w.cell == Cell::onLstm ? 4 + 2.0 / w.chunk : cellRows(w.cell, 1, 1);
  const int units = static_cast<int>(input.rows / each + 0.5);
  if (units < 1 || units % (w.cell == Cell::onLstm ? w.chunk : 1) != 0 || cellRows(w.cell, units, w.chunk) != input.rows) {
    a.fail("has a number of rows that no such cell has");
  }
  return units;
}

/** Depths begin at argument `first` and have so many arguments each. */
int depthOf(const Arguments& a, size_t first, size_t each) {
  const size_t more = a.total() > first ? a.total() - first : 0;
  if (more == 0 || more % each != 0) a.fail("must be followed by the recurrent matrices");
  return static_cast<int>(more / each);
}

Engine::Recurrent recurrentOf(Arguments& a, const CellWindow& w, const Matrix& input, size_t* stored) {
  const auto weight = a.weight();
  if (weight.matrix.rows != input.rows || weight.matrix.columns != w.size) a.fail("is a matrix of other sizes");
  *stored = weight.stored;
  Engine::Recurrent recurrent{};
  recurrent.weight = weight.matrix;
  recurrent.source = weight.source;
  return recurrent;
}

}  // namespace

Napi::Value cellForward(Engine& engine, const Napi::CallbackInfo& info) {
  Arguments a(info);
  CellWindow w = windowOf(a);
  const int depth = depthOf(a, 16, 2);
  const auto input = a.weight();
  w.inputs = input.matrix.columns;
  w.size = unitsOf(a, w, input.matrix);
  const size_t state = times(w.batch, w.size);
  const size_t ofCell = w.cell == Cell::onLstm ? state : 0;
  const int positions = w.steps * w.batch;
  const float* inputBias = a.floats(input.matrix.rows);
  w.mask = a.floatsOrNull(state);
  w.x = a.floats(times(positions, w.inputs));
  w.hidden = a.floats(state);
  w.cellState = a.floats(ofCell);
  w.y = a.floats(times(positions, w.size));
  float* hiddenAfter = a.floats(state);
  float* cellAfter = a.floats(ofCell);
  w.states = a.floats(cellStatesSize(w, depth));
  w.cells = a.floats(w.cell == Cell::onLstm ? lstmCellsSize(w.steps, w.batch, w.size) : 0);
  w.kept = a.floats(cellKeptSize(w, depth));
  std::vector<Engine::Recurrent> recurrent;
  for (int d = 0; d < depth; d++) {
    size_t stored = 0;
    recurrent.push_back(recurrentOf(a, w, input.matrix, &stored));
    recurrent.back().bias = a.floats(input.matrix.rows);
  }
  engine.cellForward(input.matrix, inputBias, recurrent, w, hiddenAfter, cellAfter);
  return info.Env().Undefined();
}

Napi::Value cellBackward(Engine& engine, const Napi::CallbackInfo& info) {
  Arguments a(info);
  CellWindow w = windowOf(a);
  const int depth = depthOf(a, 19, 4);
  const auto input = a.weight();
  w.inputs = input.matrix.columns;
  w.size = unitsOf(a, w, input.matrix);
  const size_t state = times(w.batch, w.size);
  const size_t ofCell = w.cell == Cell::onLstm ? state : 0;
  const int positions = w.steps * w.batch;
  w.mask = a.floatsOrNull(state);
  w.x = a.floats(times(positions, w.inputs));
  w.states = a.floats(cellStatesSize(w, depth));
  w.cells = a.floats(w.cell == Cell::onLstm ? lstmCellsSize(w.steps, w.batch, w.size) : 0);
  w.kept = a.floats(cellKeptSize(w, depth));
  std::vector<double> norms(depth + 1);
  Engine::CellGradients g{};
  g.dy = a.floats(times(positions, w.size));
  g.dHiddenAfter = a.floats(state);
  g.dCellAfter = a.floats(ofCell);
  g.dx = a.floats(times(positions, w.inputs));
  g.dInput = a.floats(input.stored);
  g.dInputBias = a.floats(input.matrix.rows);
  g.dHidden = a.floats(state);
  g.dCell = a.floats(ofCell);
  g.wholeInput = a.whole(input.matrix, &norms[0]);
  std::vector<Engine::Recurrent> recurrent;
  for (int d = 0; d < depth; d++) {
    size_t stored = 0;
    recurrent.push_back(recurrentOf(a, w, input.matrix, &stored));
    Engine::Recurrent& of = recurrent.back();
    of.dWeight = a.floats(stored);
    of.dBias = a.floats(input.matrix.rows);
    of.whole = a.whole(of.weight, &norms[d + 1]);
  }
  engine.cellBackward(input.matrix, input.source, recurrent, w, g);
  Napi::Array result = Napi::Array::New(info.Env(), norms.size());
  for (size_t i = 0; i < norms.size(); i++) result.Set(static_cast<uint32_t>(i), norms[i]);
  return result;
}

}  // namespace sparrow
