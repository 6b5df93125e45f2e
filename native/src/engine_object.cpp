#include "engine_object.h"

#include <memory>
#include <string>
#include <vector>

#include "arguments.h"
#include "cell_calls.h"
#include "dispatch.h"
#include "engine.h"

namespace sparrow {
namespace {

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Engine",
                       {
                           InstanceMethod("linearForward", &EngineObject::linearForward),
                           InstanceMethod("linearBackward", &EngineObject::linearBackward),
                           InstanceMethod("product", &EngineObject::product),
                           InstanceMethod("transposedProduct", &EngineObject::transposedProduct),
                           InstanceMethod("weightGradient", &EngineObject::weightGradient),
                           InstanceMethod("lstmForward", &EngineObject::lstmForward),
                           InstanceMethod("lstmBackward", &EngineObject::lstmBackward),
                           InstanceMethod("cellForward", &EngineObject::ofCell<cellForward>),
                           InstanceMethod("cellBackward", &EngineObject::ofCell<cellBackward>),
                           InstanceMethod("decode", &EngineObject::decode),
                           InstanceMethod("decodeBackward", &EngineObject::decodeBackward),
                           InstanceMethod("lookUp", &EngineObject::lookUp),
                           InstanceMethod("lookUpBackward", &EngineObject::lookUpBackward),
                           InstanceMethod("sgd", &EngineObject::sgd),
                           InstanceMethod("averagedSgd", &EngineObject::averagedSgd),
                           InstanceMethod("adam", &EngineObject::adam),
                           InstanceMethod("multiply", &EngineObject::multiply),
                           InstanceMethod("sumOfSquares", &EngineObject::sumOfSquares),
                           InstanceMethod("dropout", &EngineObject::dropout),
                       });
  }

  explicit EngineObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineObject>(info) {
    Arguments arguments(info);
    const int threads = arguments.count();
    if (threads > 1024) throw Napi::RangeError::New(info.Env(), "an engine has from 1 to 1024 threads");
    const std::string width = info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : "";
    for (const Kernels* kernels : runnableKernels()) {
      if (kernels->name == width) engine_ = std::make_unique<Engine>(threads, *kernels);
    }
    if (engine_ == nullptr) throw Napi::RangeError::New(info.Env(), "this machine does not run vector width " + width);
  }

 private:
  static size_t times(int a, int b) { return static_cast<size_t>(a) * b; }

  /** linearForward(weight, bias, positions, x, y) */
  Napi::Value linearForward(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const auto weight = a.weight();
    const Matrix& m = weight.matrix;
    const float* bias = a.floats(m.rows);
    const int positions = a.count();
    const float* x = a.floats(times(positions, m.columns));
    engine_->linearForward(m, bias, x, positions, a.floats(times(positions, m.rows)));
    return info.Env().Undefined();
  }

  /** linearBackward(weight, positions, dy, x, dx, dWeight, dBias, whole): squared norm of the whole gradient, or 0 */
  Napi::Value linearBackward(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const auto weight = a.weight();
    const Matrix& m = weight.matrix;
    const int positions = a.count();
    const float* dy = a.floats(times(positions, m.rows));
    const float* x = a.floats(times(positions, m.columns));
    float* dx = a.floats(times(positions, m.columns));
    float* dWeight = a.floats(weight.stored);
    float* dBias = a.floats(m.rows);
    double norm = 0;
    engine_->linearBackward(m, weight.source, dy, x, positions, dx, dWeight, dBias, a.whole(m, &norm));
    return Napi::Number::New(info.Env(), norm);
  }

  /** product(weight, positions, x, y): y = x Wᵀ */
  Napi::Value product(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const auto weight = a.weight();
    const Matrix& m = weight.matrix;
    const int positions = a.count();
    const float* x = a.floats(times(positions, m.columns));
    engine_->linearForward(m, nullptr, x, positions, a.floats(times(positions, m.rows)));
    return info.Env().Undefined();
  }

  /** transposedProduct(weight, positions, y, x): x = y W */
  Napi::Value transposedProduct(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const auto weight = a.weight();
    const Matrix& m = weight.matrix;
    const int positions = a.count();
    const float* y = a.floats(times(positions, m.rows));
    engine_->transposedProduct(m, weight.source, y, positions, a.floats(times(positions, m.columns)));
    return info.Env().Undefined();
  }

  /** weightGradient(weight, positions, dy, x, dWeight, whole): squared norm of the whole gradient, or 0 */
  Napi::Value weightGradient(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const auto weight = a.weight();
    const Matrix& m = weight.matrix;
    const int positions = a.count();
    const float* dy = a.floats(times(positions, m.rows));
    const float* x = a.floats(times(positions, m.columns));
    float* dWeight = a.floats(weight.stored);
    double norm = 0;
    engine_->weightGradient(m, dy, x, positions, dWeight, a.whole(m, &norm));
    return Napi::Number::New(info.Env(), norm);
  }

  /**
   * lstmForward(inputWeight, recurrentWeight, inputBias, recurrentBias, steps, batch, x, hidden, cell, y, hiddenAfter,
   * cellAfter, gates, cells)
   */
  Napi::Value lstmForward(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const auto input = a.weight();
    const auto recurrent = a.weight();
    const int size = recurrent.matrix.columns;
    if (recurrent.matrix.rows / 4 != size || recurrent.matrix.rows % 4 != 0) a.fail("must have four rows for each column");
    if (input.matrix.rows != recurrent.matrix.rows) a.fail("must have as many rows as the one before");
    const float* inputBias = a.floats(4 * static_cast<size_t>(size));
    const float* recurrentBias = a.floats(4 * static_cast<size_t>(size));
    LstmWindow window{};
    window.steps = a.count();
    window.batch = a.count();
    if (times(window.steps, window.batch) > 1 << 30) a.fail("makes more than 2^30 positions");
    window.inputs = input.matrix.columns;
    window.size = size;
    const int positions = window.steps * window.batch;
    window.x = a.floats(times(positions, window.inputs));
    window.hidden = a.floats(times(window.batch, size));
    window.cell = a.floats(times(window.batch, size));
    window.y = a.floats(times(positions, size));
    float* hiddenAfter = a.floats(times(window.batch, size));
    float* cellAfter = a.floats(times(window.batch, size));
    window.gates = a.floats(lstmGatesSize(window.steps, window.batch, size));
    window.cells = a.floats(lstmCellsSize(window.steps, window.batch, size));
    engine_->lstmForward(input.matrix, recurrent.matrix, inputBias, recurrentBias, window, hiddenAfter, cellAfter);
    return info.Env().Undefined();
  }

  /**
   * lstmBackward(inputWeight, recurrentWeight, steps, batch, x, hidden, y, gates, cells, dy, dHiddenAfter, dCellAfter, dx, dInput,
   * dRecurrent, dBias, dHidden, dCell, wholeInput, wholeRecurrent): [squared norm of the whole gradient of each, or 0]
   */
  Napi::Value lstmBackward(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const auto input = a.weight();
    const auto recurrent = a.weight();
    const int size = recurrent.matrix.columns;
    if (recurrent.matrix.rows / 4 != size || recurrent.matrix.rows % 4 != 0) a.fail("must have four rows for each column");
    if (input.matrix.rows != recurrent.matrix.rows) a.fail("must have as many rows as the one before");
    LstmWindow window{};
    window.steps = a.count();
    window.batch = a.count();
    if (times(window.steps, window.batch) > 1 << 30) a.fail("makes more than 2^30 positions");
    window.inputs = input.matrix.columns;
    window.size = size;
    const int positions = window.steps * window.batch;
    const size_t state = times(window.batch, size);
    window.x = a.floats(times(positions, window.inputs));
    window.hidden = a.floats(state);
    window.y = a.floats(times(positions, size));
    window.gates = a.floats(lstmGatesSize(window.steps, window.batch, size));
    window.cells = a.floats(lstmCellsSize(window.steps, window.batch, size));
    double norms[2] = {0, 0};
    Engine::LstmGradients g{};
    g.dy = a.floats(times(positions, size));
    g.dHiddenAfter = a.floats(state);
    g.dCellAfter = a.floats(state);
    g.dx = a.floats(times(positions, window.inputs));
    g.dInput = a.floats(input.stored);
    g.dRecurrent = a.floats(recurrent.stored);
    g.dBias = a.floats(4 * static_cast<size_t>(size));
    g.dHidden = a.floats(state);
    g.dCell = a.floats(state);
    g.wholeInput = a.whole(input.matrix, &norms[0]);
    g.wholeRecurrent = a.whole(recurrent.matrix, &norms[1]);
    engine_->lstmBackward(input.matrix, input.source, recurrent.matrix, recurrent.source, window, g);
    Napi::Array result = Napi::Array::New(info.Env(), 2);
    result.Set(0u, norms[0]);
    result.Set(1u, norms[1]);
    return result;
  }

  template <Napi::Value (*call)(Engine&, const Napi::CallbackInfo&)>
  Napi::Value ofCell(const Napi::CallbackInfo& info) {
    return call(*engine_, info);
  }

  /** decode(weight, bias, positions, y, targets, probabilities, ofTargets or null): mean cross-entropy */
  Napi::Value decode(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const auto weight = a.weight();
    const Matrix& m = weight.matrix;
    const float* bias = a.floats(m.rows);
    const int positions = a.count();
    const float* y = a.floats(times(positions, m.columns));
    const int32_t* targets = a.words(positions, m.rows);
    float* probabilities = a.floats(decodedSize(positions, m.rows));
    float* ofTargets = a.floatsOrNull(positions);
    return Napi::Number::New(info.Env(), engine_->decode(m, bias, y, targets, positions, probabilities, ofTargets));
  }

  /** decodeBackward(weight, positions, y, targets, probabilities, dLoss, dy, dWeight, dBias, whole): squared norm, or 0 */
  Napi::Value decodeBackward(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const auto weight = a.weight();
    const Matrix& m = weight.matrix;
    const int positions = a.count();
    const float* y = a.floats(times(positions, m.columns));
    const int32_t* targets = a.words(positions, m.rows);
    float* probabilities = a.floats(decodedSize(positions, m.rows));
    const float dLoss = a.number();
    float* dy = a.floats(times(positions, m.columns));
    float* dWeight = a.floats(weight.stored);
    float* dBias = a.floats(m.rows);
    double norm = 0;
    const Whole whole = a.whole(m, &norm);
    const float* shares = a.floatsOrNull(positions);
    engine_->decodeBackward(m, weight.source, y, targets, positions, probabilities, dLoss, dy, dWeight, dBias, whole, shares);
    return Napi::Number::New(info.Env(), norm);
  }

  /** lookUp(weight, words, rows) */
  Napi::Value lookUp(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const auto weight = a.weight();
    const int positions = static_cast<int>(a.lengthOfNext());
    const int32_t* words = a.words(positions, weight.matrix.rows);
    engine_->lookUp(weight.matrix, words, positions, a.floats(times(positions, weight.matrix.columns)));
    return info.Env().Undefined();
  }

  /** lookUpBackward(weight, words, dRows, dWeight, whole): squared norm, or 0 */
  Napi::Value lookUpBackward(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const auto weight = a.weight();
    const int positions = static_cast<int>(a.lengthOfNext());
    const int32_t* words = a.words(positions, weight.matrix.rows);
    const float* dRows = a.floats(times(positions, weight.matrix.columns));
    float* dWeight = a.floats(weight.stored);
    double norm = 0;
    engine_->lookUpBackward(weight.matrix, words, positions, dRows, dWeight, a.whole(weight.matrix, &norm));
    return Napi::Number::New(info.Env(), norm);
  }

  /** sgd(w, g, mask | null, scale, decay, rate), in place */
  Napi::Value sgd(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const size_t count = a.lengthOfNext();
    float* w = a.floats(count);
    const float* g = a.floats(count);
    const float* mask = a.floatsOrNull(count);
    const float scale = a.number();
    const float decay = a.number();
    engine_->sgd(w, g, mask, static_cast<int>(count), scale, decay, a.number());
    return info.Env().Undefined();
  }

  /** averagedSgd(w, g, mask | null, average, activeSince, averagingStep, scale, decay, rate), in place */
  Napi::Value averagedSgd(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const size_t count = a.lengthOfNext();
    float* w = a.floats(count);
    const float* g = a.floats(count);
    const float* mask = a.floatsOrNull(count);
    float* average = a.floats(count);
    const float* since = a.floats(count);
    const float now = a.number();
    const float scale = a.number();
    const float decay = a.number();
    engine_->averagedSgd(w, g, mask, average, since, static_cast<int>(count), now, scale, decay, a.number());
    return info.Env().Undefined();
  }

  /** adam(w, g, mask | null, moment1, moment2, scale, decay, beta1, beta2, epsilon, root2, rate), in place */
  Napi::Value adam(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const size_t count = a.lengthOfNext();
    float* w = a.floats(count);
    const float* g = a.floats(count);
    const float* mask = a.floatsOrNull(count);
    float* moment1 = a.floats(count);
    float* moment2 = a.floats(count);
    AdamRates rates{};
    rates.scale = a.number();
    rates.decay = a.number();
    rates.beta1 = a.number();
    rates.beta2 = a.number();
    rates.epsilon = a.number();
    rates.root2 = a.number();
    rates.rate = a.number();
    engine_->adam(w, g, mask, moment1, moment2, static_cast<int>(count), rates);
    return info.Env().Undefined();
  }

  /** multiply(a, b, product) */
  Napi::Value multiply(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const size_t count = a.lengthOfNext();
    const float* x = a.floats(count);
    const float* y = a.floats(count);
    engine_->multiply(x, y, a.floats(count), static_cast<int>(count));
    return info.Env().Undefined();
  }

  /** sumOfSquares(x): in float64 */
  Napi::Value sumOfSquares(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const size_t count = a.lengthOfNext();
    return Napi::Number::New(info.Env(), engine_->sumOfSquares(a.floats(count), static_cast<int>(count)));
  }

  /** dropout(seed, purpose, a, b, threshold, scale, mask) */
  Napi::Value dropout(const Napi::CallbackInfo& info) {
    Arguments a(info);
    DropoutDraw draw{};
    draw.seed = a.word();
    draw.purpose = a.word();
    draw.a = a.word();
    draw.b = a.word();
    draw.threshold = a.word();
    draw.scale = a.number();
    const size_t count = a.lengthOfNext();
    engine_->dropout(draw, a.floats(count), static_cast<int>(count));
    return info.Env().Undefined();
  }

  std::unique_ptr<Engine> engine_;
};

}  // namespace

Napi::Function engineClass(Napi::Env env) { return EngineObject::define(env); }

}  // namespace sparrow
