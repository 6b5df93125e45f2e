#include "support.h"

namespace sparrow::test {
namespace {

struct Size {
  int steps;
  int batch;
  int inputs;
  int size;
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/** y[row] += W x, and back: x += Wᵀ y. */
void addProduct(const Weight& weight, const double* x, double* y) {
  for (int row = 0; row < weight.rows; row++) {
    for (int column = 0; column < weight.columns; column++) y[row] += weight.at(row, column) * x[column];
  }
}
void addTransposed(const Weight& weight, const double* y, double* x) {
  for (int row = 0; row < weight.rows; row++) {
    for (int column = 0; column < weight.columns; column++) x[column] += weight.at(row, column) * y[row];
  }
}

/** A layer over a window in plain loops, forward and back-propagation through time. */
struct Lstm {
  Lstm(const Weight& input, const Weight& recurrent, const Size& s)
      : input(input), recurrent(recurrent), s(s), positions(s.steps * s.batch) {
    Numbers numbers(static_cast<unsigned>(s.steps * 1000 + s.batch * 100 + s.inputs * 10 + s.size));
    const size_t state = static_cast<size_t>(s.batch) * s.size;
    x = numbers.many(static_cast<size_t>(positions) * s.inputs);
    hidden = numbers.many(state);
    cell = numbers.many(state);
    inputBias = numbers.many(4 * s.size);
    recurrentBias = numbers.many(4 * s.size);
    dy = numbers.many(positions * s.size);
    dHiddenAfter = numbers.many(state);
    dCellAfter = numbers.many(state);
    forward();
    backward();
  }

  const Weight& input;
  const Weight& recurrent;
  const Size s;
  const int positions;
  Floats x, hidden, cell, inputBias, recurrentBias, dy, dHiddenAfter, dCellAfter;
  /** Hidden states and cells before each step and after the last, [steps + 1][batch, size]; gates i, f, g, o, [positions, 4 * size]. */
  Doubles h, c, gates;
  Doubles y, dx, dInput, dRecurrent, dBias, dHidden, dCell;
  double inputNorm, recurrentNorm;

 private:
  void forward() {
    h = asDoubles(hidden);
    c = asDoubles(cell);
    const Doubles from = asDoubles(x);
    for (int position = 0; position < positions; position++) {
      Doubles z(4 * s.size);
      for (int row = 0; row < 4 * s.size; row++) z[row] = static_cast<double>(inputBias[row]) + recurrentBias[row];
      addProduct(input, from.data() + static_cast<size_t>(position) * s.inputs, z.data());
      addProduct(recurrent, h.data() + static_cast<size_t>(position) * s.size, z.data());
      for (int unit = 0; unit < s.size; unit++) {
        const double i = sigmoid(z[unit]), f = sigmoid(z[s.size + unit]), g = std::tanh(z[2 * s.size + unit]);
        const double o = sigmoid(z[3 * s.size + unit]);
        c.push_back(f * c[static_cast<size_t>(position) * s.size + unit] + i * g);
        h.push_back(o * std::tanh(c.back()));
        z[unit] = i;
        z[s.size + unit] = f;
        z[2 * s.size + unit] = g;
        z[3 * s.size + unit] = o;
      }
      gates.insert(gates.end(), z.begin(), z.end());
    }
    y.assign(h.begin() + static_cast<long>(s.batch) * s.size, h.end());
  }

  void backward() {
    // Of the states after the step at hand; what is after a position is what is before the one a batch later.
    dHidden = asDoubles(dHiddenAfter);
    dCell = asDoubles(dCellAfter);
    dx.resize(x.size());
    dBias.resize(4 * s.size);
    Doubles dz(gates.size());
    for (int position = positions - 1; position >= 0; position--) {
      const int stream = position % s.batch;
      double* dh = dHidden.data() + static_cast<size_t>(stream) * s.size;
      double* dc = dCell.data() + static_cast<size_t>(stream) * s.size;
      const double* gate = gates.data() + static_cast<size_t>(position) * 4 * s.size;
      double* d = dz.data() + static_cast<size_t>(position) * 4 * s.size;
      for (int unit = 0; unit < s.size; unit++) {
        const size_t before = static_cast<size_t>(position) * s.size + unit;
        const double i = gate[unit], f = gate[s.size + unit], g = gate[2 * s.size + unit], o = gate[3 * s.size + unit];
        const double tanhCell = std::tanh(c[before + static_cast<size_t>(s.batch) * s.size]);
        dh[unit] += dy[before];
        dc[unit] += dh[unit] * o * (1 - tanhCell * tanhCell);
        d[unit] = dc[unit] * g * i * (1 - i);
        d[s.size + unit] = dc[unit] * c[before] * f * (1 - f);
        d[2 * s.size + unit] = dc[unit] * i * (1 - g * g);
        d[3 * s.size + unit] = dh[unit] * tanhCell * o * (1 - o);
        dc[unit] *= f;
        dh[unit] = 0;
      }
      addTransposed(recurrent, d, dh);
      addTransposed(input, d, dx.data() + static_cast<size_t>(position) * s.inputs);
      for (int row = 0; row < 4 * s.size; row++) dBias[row] += d[row];
    }
    const Doubles ofInput = outerProducts(dz, 4 * s.size, asDoubles(x), s.inputs, positions);
    const Doubles ofRecurrent = outerProducts(dz, 4 * s.size, h, s.size, positions);
    dInput = input.stored(ofInput);
    dRecurrent = recurrent.stored(ofRecurrent);
    inputNorm = squaredNorm(ofInput);
    recurrentNorm = squaredNorm(ofRecurrent);
  }
};

/** @param norms of which matrices norms are asked for */
void testEngine(Engine& engine, const Lstm& want, std::pair<bool, bool> norms, const std::string& name) {
  const Size& s = want.s;
  const size_t state = static_cast<size_t>(s.batch) * s.size;
  const Matrix input = want.input.matrix(), recurrent = want.recurrent.matrix();
  Floats y = unwritten(want.y.size()), hiddenAfter = unwritten(state), cellAfter = unwritten(state);
  Floats gates = unwritten(lstmGatesSize(s.steps, s.batch, s.size)), cells = unwritten(lstmCellsSize(s.steps, s.batch, s.size));
  LstmWindow window{};
  window.steps = s.steps;
  window.batch = s.batch;
  window.inputs = s.inputs;
  window.size = s.size;
  window.x = want.x.data();
  window.y = y.data();
  window.hidden = want.hidden.data();
  window.cell = want.cell.data();
  window.gates = gates.data();
  window.cells = cells.data();
  engine.lstmForward(input, recurrent, want.inputBias.data(), want.recurrentBias.data(), window, hiddenAfter.data(), cellAfter.data());

  Floats dx = unwritten(want.dx.size()), dInput = unwritten(want.dInput.size()), dRecurrent = unwritten(want.dRecurrent.size());
  Floats dBias = unwritten(want.dBias.size()), dHidden = unwritten(state), dCell = unwritten(state);
  double inputNorm = NAN, recurrentNorm = NAN;
  Engine::LstmGradients g{};
  g.dy = want.dy.data();
  g.dHiddenAfter = want.dHiddenAfter.data();
  g.dCellAfter = want.dCellAfter.data();
  g.dx = dx.data();
  g.dInput = dInput.data();
  g.dRecurrent = dRecurrent.data();
  g.dBias = dBias.data();
  g.dHidden = dHidden.data();
  g.dCell = dCell.data();
  g.wholeInput = norms.first ? &inputNorm : nullptr;
  g.wholeRecurrent = norms.second ? &recurrentNorm : nullptr;
  engine.lstmBackward(input, want.input.source.data(), recurrent, want.recurrent.source.data(), window, g);

  const std::string where = name + "lstm, " + want.input.name() + " and " + want.recurrent.name() + ", " + std::to_string(s.steps) +
                            " steps of " + std::to_string(s.batch) + ": ";
  const auto last = [&](const Doubles& states) { return Doubles(states.end() - static_cast<long>(state), states.end()); };
  checkNear(y, want.y, where + "y");
  checkNear(hiddenAfter, last(want.h), where + "last hidden");
  checkNear(cellAfter, last(want.c), where + "last cell");
  checkNear(dx, want.dx, where + "dx");
  checkNear(dInput, want.dInput, where + "dW");
  checkNear(dRecurrent, want.dRecurrent, where + "dU");
  checkNear(dBias, want.dBias, where + "db");
  checkNear(dHidden, want.dHidden, where + "dh");
  checkNear(dCell, want.dCell, where + "dc");
  if (norms.first) checkNear(inputNorm, want.inputNorm, where + "norm of dW");
  if (norms.second) checkNear(recurrentNorm, want.recurrentNorm, where + "norm of dU");
}

void testSize(const Size& size, Storage ofInput, Storage ofRecurrent, double density) {
  const Weight input(4 * size.size, size.inputs, ofInput, density, 1);
  const Weight recurrent(4 * size.size, size.size, ofRecurrent, density, 2);
  const Lstm want(input, recurrent, size);
  onEveryEngine([&](Engine& engine, const std::string& where) {
    testEngine(engine, want, {size.batch % 3 != 0, size.batch % 4 != 0 || size.size % 2 == 0}, where);
  });
}

}  // namespace

void testLstm() {
  // Large enough for all threads.
  for (const Storage storage : storages) testSize({5, 20, 40, 65}, storage, storage, 0.6);
  if (onlyTogether) return;
  // Lanes of a step are streams, in fours, sixteens and blocks of 64; positions come to a block's end in the midst of a step.
  for (const int batch : {1, 3, 16, 20, 64, 70}) {
    for (const auto& [inputs, size] : {std::pair(5, 1), std::pair(1, 5), std::pair(33, 17), std::pair(17, 33)}) {
      for (const Storage storage : storages) testSize({4, batch, inputs, size}, storage, storage, 0.3);
    }
  }
  testSize({1, 1, 1, 1}, Storage::narrow, Storage::narrow, 1);
  testSize({1, 1, 1, 1}, Storage::dense, Storage::dense, 1);
  testSize({64, 1, 3, 5}, Storage::narrow, Storage::narrow, 0);
  testSize({3, 150, 7, 6}, Storage::narrow, Storage::narrow, 0.4);
  testSize({3, 20, 8, 9}, Storage::dense, Storage::narrow, 0.4);
  testSize({3, 20, 8, 9}, Storage::narrow, Storage::dense, 0.4);

  // What one call has left in the scratch memory is not in the next one's results.
  const Weight input(4 * 9, 13, Storage::narrow, 0.5, 3), recurrent(4 * 9, 9, Storage::narrow, 0.5, 4);
  const Lstm first(input, recurrent, {7, 20, 13, 9}), second(input, recurrent, {2, 3, 13, 9}), third(input, recurrent, {3, 22, 13, 9});
  onEveryEngine([&](Engine& engine, const std::string& where) {
    for (const Lstm* want : {&first, &second, &third, &first}) testEngine(engine, *want, {true, true}, where + "one after the other, ");
  });
}

}  // namespace sparrow::test
