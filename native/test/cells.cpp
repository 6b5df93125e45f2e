#include "support.h"

namespace sparrow::test {
namespace {

struct Size {
  int steps;
  int batch;
  int inputs;
  int size;
  int chunk;
  int depth;
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

const char* nameOf(Cell cell) {
  switch (cell) {
    case Cell::elman: return "elman";
    case Cell::gru: return "gru";
    case Cell::rhn: return "rhn";
    default: return "on-lstm";
  }
}

/** A layer over a window in plain loops of float64; gradients come from differences of its objective. */
struct Layer {
  Cell cell;
  Size s;
  int rows;
  Doubles input, inputBias, x, hidden, cellState, mask;
  std::vector<Doubles> recurrent, biases;
  /** Factors of the outputs, the last hidden state and the last cell in the objective. */
  Doubles ofY, ofHidden, ofCell;

  struct Outputs {
    Doubles y, hidden, cell;
  };

  Outputs forward() const {
    Outputs out{{}, hidden, cellState};
    for (int step = 0; step < s.steps; step++) {
      for (int stream = 0; stream < s.batch; stream++) {
        double* h = out.hidden.data() + static_cast<size_t>(stream) * s.size;
        double* c = out.cell.data() + static_cast<size_t>(stream) * s.size;
        const double* from = x.data() + static_cast<size_t>(step * s.batch + stream) * s.inputs;
        for (int d = 0; d < s.depth; d++) {
          Doubles u(rows), v = biases[d];
          if (d == 0) {
            u = inputBias;
            for (int row = 0; row < rows; row++) {
              for (int k = 0; k < s.inputs; k++) u[row] += input[static_cast<size_t>(row) * s.inputs + k] * from[k];
            }
          }
          for (int row = 0; row < rows; row++) {
            for (int k = 0; k < s.size; k++) {
              v[row] += recurrent[d][static_cast<size_t>(row) * s.size + k] * h[k] * mask[static_cast<size_t>(stream) * s.size + k];
            }
          }
          step_(u, v, h, c);
        }
        out.y.insert(out.y.end(), h, h + s.size);
      }
    }
    return out;
  }

  double objective() const {
    const Outputs out = forward();
    double sum = 0;
    for (size_t i = 0; i < ofY.size(); i++) sum += ofY[i] * out.y[i];
    for (size_t i = 0; i < ofHidden.size(); i++) sum += ofHidden[i] * out.hidden[i];
    for (size_t i = 0; i < ofCell.size(); i++) sum += ofCell[i] * out.cell[i];
    return sum;
  }

  /** The gradient of the objective by some of the layer's own numbers: exact to the fourth order of the step. */
  Doubles gradient(Doubles& numbers) {
    Doubles slopes(numbers.size());
    for (size_t i = 0; i < numbers.size(); i++) {
      const double value = numbers[i];
      const auto at = [&](double h) {
        numbers[i] = value + h;
        return objective();
      };
      slopes[i] = (8 * (at(1e-3) - at(-1e-3)) - (at(2e-3) - at(-2e-3))) / 12e-3;
      numbers[i] = value;
    }
    return slopes;
  }

 private:
  void step_(const Doubles& u, const Doubles& v, double* h, double* c) const {
    const int n = s.size;
    const int masters = cell == Cell::onLstm ? n / s.chunk : 0;
    Doubles cumulative(2 * masters);
    for (int gate = 0; gate < (masters > 0 ? 2 : 0); gate++) {
      double sum = 0, running = 0;
      for (int k = 0; k < masters; k++) sum += std::exp(u[gate * masters + k] + v[gate * masters + k]);
      for (int k = 0; k < masters; k++) {
        running += std::exp(u[gate * masters + k] + v[gate * masters + k]) / sum;
        cumulative[gate * masters + k] = running;
      }
    }
    for (int unit = 0; unit < n; unit++) {
      const auto z = [&](int gate) { return u[2 * masters + gate * n + unit] + v[2 * masters + gate * n + unit]; };
      if (cell == Cell::elman) {
        h[unit] = std::tanh(z(0));
      } else if (cell == Cell::gru) {
        const double r = sigmoid(z(0)), update = sigmoid(z(1));
        const double fresh = std::tanh(u[2 * n + unit] + r * v[2 * n + unit]);
        h[unit] = (1 - update) * fresh + update * h[unit];
      } else if (cell == Cell::rhn) {
        const double t = sigmoid(z(1));
        h[unit] = std::tanh(z(0)) * t + h[unit] * (1 - t);
      } else {
        const double in = 1 - cumulative[unit / s.chunk], forget = cumulative[masters + unit / s.chunk];
        const double overlap = in * forget;
        const double keep = sigmoid(z(3)) * overlap + forget - overlap, take = sigmoid(z(2)) * overlap + in - overlap;
        c[unit] = keep * c[unit] + take * std::tanh(z(1));
        h[unit] = sigmoid(z(0)) * std::tanh(c[unit]);
      }
    }
  }
};

void testCell(Cell cell, const Size& s, Storage storage, double density) {
  const bool hasCell = cell == Cell::onLstm;
  const int rows = cellRows(cell, s.size, s.chunk);
  const int positions = s.steps * s.batch;
  const size_t state = static_cast<size_t>(s.batch) * s.size;
  Numbers numbers(static_cast<unsigned>(rows * 100 + positions));
  const Weight input(rows, s.inputs, storage, density, 1);
  std::vector<Weight> weights;
  for (int d = 0; d < s.depth; d++) weights.emplace_back(rows, s.size, storage, density, 2 + d);

  Layer layer{};
  layer.cell = cell;
  layer.s = s;
  layer.rows = rows;
  layer.input = asDoubles(input.dense);
  const Floats inputBias = numbers.many(rows), x = numbers.many(static_cast<size_t>(positions) * s.inputs);
  const Floats hidden = numbers.many(state), cellState = numbers.many(hasCell ? state : 0);
  std::vector<Floats> biases;
  for (const Weight& weight : weights) {
    layer.recurrent.push_back(asDoubles(weight.dense));
    biases.push_back(numbers.many(rows));
    layer.biases.push_back(asDoubles(biases.back()));
  }
  Floats mask = numbers.many(state);
  for (float& factor : mask) factor = cell != Cell::rhn ? 1 : factor < -0.5f ? 0 : 1.25f;
  layer.inputBias = asDoubles(inputBias);
  layer.x = asDoubles(x);
  layer.hidden = asDoubles(hidden);
  layer.cellState = hasCell ? asDoubles(cellState) : Doubles(state);
  layer.mask = asDoubles(mask);
  const Floats dy = numbers.many(static_cast<size_t>(positions) * s.size), dHiddenAfter = numbers.many(state);
  const Floats dCellAfter = numbers.many(hasCell ? state : 0);
  layer.ofY = asDoubles(dy);
  layer.ofHidden = asDoubles(dHiddenAfter);
  layer.ofCell = asDoubles(dCellAfter);
  const Layer::Outputs want = layer.forward();
  const Doubles dInput = layer.gradient(layer.input), dInputBias = layer.gradient(layer.inputBias), dx = layer.gradient(layer.x);
  const Doubles dHidden = layer.gradient(layer.hidden);
  const Doubles dCell = hasCell ? layer.gradient(layer.cellState) : Doubles();
  std::vector<Doubles> dRecurrent, dBiases;
  for (int d = 0; d < s.depth; d++) {
    dRecurrent.push_back(layer.gradient(layer.recurrent[d]));
    dBiases.push_back(layer.gradient(layer.biases[d]));
  }

  onEveryEngine([&](Engine& engine, const std::string& name) {
    const std::string where = name + nameOf(cell) + ", " + input.name() + ", " + std::to_string(s.steps) + " steps of " +
                              std::to_string(s.batch) + ", " + std::to_string(s.size) + " units: ";
    CellWindow w{};
    w.cell = cell;
    w.steps = s.steps;
    w.batch = s.batch;
    w.inputs = s.inputs;
    w.size = s.size;
    w.chunk = s.chunk;
    Floats states = unwritten(cellStatesSize(w, s.depth)), kept = unwritten(cellKeptSize(w, s.depth));
    Floats cells = unwritten(hasCell ? lstmCellsSize(s.steps, s.batch, s.size) : 0);
    Floats y = unwritten(dy.size()), hiddenAfter = unwritten(state), cellAfter = unwritten(cellState.size());
    w.x = x.data();
    w.y = y.data();
    w.hidden = hidden.data();
    w.cellState = cellState.data();
    w.mask = cell == Cell::rhn ? mask.data() : nullptr;
    w.states = states.data();
    w.cells = cells.data();
    w.kept = kept.data();
    std::vector<Floats> dOfWeights, dOfBiases;
    std::vector<double> norms(s.depth + 1, NAN);
    for (const Weight& weight : weights) {
      dOfWeights.push_back(unwritten(weight.values.size()));
      dOfBiases.push_back(unwritten(rows));
    }
    std::vector<Engine::Recurrent> recurrent;
    for (int d = 0; d < s.depth; d++) {
      recurrent.push_back({weights[d].matrix(), weights[d].source.data(), biases[d].data(), dOfWeights[d].data(), dOfBiases[d].data(), &norms[d + 1]});
    }
    engine.cellForward(input.matrix(), inputBias.data(), recurrent, w, hiddenAfter.data(), cellAfter.data());
    Floats dxGot = unwritten(x.size()), dInputGot = unwritten(input.values.size()), dInputBiasGot = unwritten(rows);
    Floats dHiddenGot = unwritten(state), dCellGot = unwritten(cellState.size());
    engine.cellBackward(input.matrix(), input.source.data(), recurrent, w,
                        {dy.data(), dHiddenAfter.data(), dCellAfter.data(), dxGot.data(), dInputGot.data(), dInputBiasGot.data(),
                         dHiddenGot.data(), dCellGot.data(), &norms[0]});
    checkNear(y, want.y, where + "y");
    checkNear(hiddenAfter, want.hidden, where + "last hidden");
    if (hasCell) checkNear(cellAfter, want.cell, where + "last cell");
    checkNear(dxGot, dx, where + "dx");
    checkNear(dInputGot, input.stored(dInput), where + "dW");
    checkNear(dInputBiasGot, dInputBias, where + "db");
    checkNear(dHiddenGot, dHidden, where + "dh");
    if (hasCell) checkNear(dCellGot, dCell, where + "dc");
    checkNear(norms[0], squaredNorm(dInput), where + "norm of dW");
    for (int d = 0; d < s.depth; d++) {
      checkNear(dOfWeights[d], weights[d].stored(dRecurrent[d]), where + "dU");
      checkNear(dOfBiases[d], dBiases[d], where + "db of the state");
      checkNear(norms[d + 1], squaredNorm(dRecurrent[d]), where + "norm of dU");
    }
  });
}

}  // namespace

void testCells() {
  for (const Cell cell : {Cell::elman, Cell::gru, Cell::rhn, Cell::onLstm}) {
    const int depth = cell == Cell::rhn ? 2 : 1;
    // Enough work for all threads: what counts are weights times lanes of a step.
    testCell(cell, {2, cell == Cell::elman ? 70 : 20, 3, cell == Cell::elman ? 42 : 30, 5, depth}, Storage::narrow, 1);
    if (onlyTogether) continue;
    for (const Storage storage : storages) {
      testCell(cell, {3, 3, 4, 6, 2, depth}, storage, 0.4);
      testCell(cell, {1, 1, 1, 1, 1, 1}, storage, 1);
    }
    testCell(cell, {3, 70, 2, 4, 2, depth}, Storage::narrow, 0.5);
    testCell(cell, {5, 17, 3, 5, 5, depth}, Storage::dense, 0.5);
  }
}

}  // namespace sparrow::test
