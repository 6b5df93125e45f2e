#include "engine_object.h"

#include <cmath>
#include <string>
#include <vector>

#include "dispatch.h"
#include "engine.h"

namespace sparrow {
namespace {

/**
 * Arguments of a call, read one after the other and checked for what would otherwise read or write beyond an array. All
 * memory is that of JavaScript's typed arrays; nothing is copied.
 */
class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info) : info_(info) {}

  /** How many there are of something: at least one, and so few that what they are rounded up to stays inside an int. */
  int count() {
    const Napi::Value value = info_[next_++];
    if (!isCount(value)) fail("must be a whole number from 1 to 2^30");
    return value.As<Napi::Number>().Int32Value();
  }

  uint32_t word() {
    const Napi::Value value = info_[next_++];
    if (!value.IsNumber()) fail("must be a number");
    return value.As<Napi::Number>().Uint32Value();
  }

  float number() { return static_cast<float>(real()); }

  double real() {
    const Napi::Value value = info_[next_++];
    if (!value.IsNumber()) fail("must be a number");
    return value.As<Napi::Number>().DoubleValue();
  }

  /** A Float32Array of at least `size` numbers. */
  float* floats(size_t size) { return floats(info_[next_++], size); }

  /** null becomes a null pointer. */
  float* floatsOrNull(size_t size) {
    const Napi::Value value = info_[next_++];
    return value.IsNull() ? nullptr : floats(value, size);
  }

  size_t lengthOfNext() const {
    const Napi::Value value = info_[next_];
    const size_t length = value.IsTypedArray() ? value.As<Napi::TypedArray>().ElementLength() : 0;
    if (length > 1 << 30) fail("has more than 2^30 numbers");
    return length;
  }

  const int32_t* words(size_t size, int below) {
    const Napi::Value value = info_[next_++];
    const int32_t* words = integers(value, size);
    for (size_t i = 0; i < size; i++) {
      if (words[i] < 0 || words[i] >= below) fail("holds a word beyond the matrix");
    }
    return words;
  }

  struct Weight {
    Matrix matrix;
    const int32_t* source;
    size_t stored;
  };

  /**
   * { rows, columns, values } and of a sparse matrix also { rowStart, column, columnStart, row, source, rowTile, columnTile }. That
   * indices lie inside the matrix is what Pattern guarantees.
   */
  Weight weight() {
    const Napi::Value value = info_[next_++];
    if (!value.IsObject()) fail("must be a matrix");
    const Napi::Object object = value.As<Napi::Object>();
    Weight weight{};
    Matrix& matrix = weight.matrix;
    matrix.rows = side(object, "rows");
    matrix.columns = side(object, "columns");
    const Napi::Value rowStart = object.Get("rowStart");
    matrix.sparse = !rowStart.IsUndefined();
    if (!matrix.sparse) {
      weight.stored = static_cast<size_t>(matrix.rows) * matrix.columns;
      matrix.values = floats(object.Get("values"), weight.stored);
      return weight;
    }
    matrix.rowStart = integers(rowStart, static_cast<size_t>(matrix.rows) + 1);
    matrix.columnStart = integers(object.Get("columnStart"), static_cast<size_t>(matrix.columns) + 1);
    const int32_t stored = matrix.rowStart[matrix.rows];
    if (stored < 0 || matrix.columnStart[matrix.columns] != stored) fail("is a matrix of broken indices");
    weight.stored = stored;
    matrix.values = floats(object.Get("values"), weight.stored);
    weight.source = integers(object.Get("source"), weight.stored);
    const Napi::Value column = object.Get("column");
    matrix.wide = isTyped(column, napi_uint32_array);
    matrix.column = indices(column, weight.stored, matrix.wide);
    matrix.row = indices(object.Get("row"), weight.stored, matrix.wide);
    matrix.rowTile = tiles(object.Get("rowTile"), matrix.columns, matrix.rows, stored);
    matrix.columnTile = tiles(object.Get("columnTile"), matrix.rows, matrix.columns, stored);
    return weight;
  }

  /** null, "norm" or { signs, sketch }, as addon.ts has them. */
  Whole whole(const Matrix& weight, double* norm) {
    const Napi::Value value = info_[next_++];
    if (value.IsNull()) return {};
    if (value.IsString() && value.As<Napi::String>().Utf8Value() == "norm") return norm;
    if (!value.IsObject() || !value.As<Napi::Object>().Has("signs")) fail("must be null, \"norm\" or a sketch");
    const Napi::Object object = value.As<Napi::Object>();
    const Napi::Value signs = object.Get("signs");
    const size_t rows = weight.rows;
    const float* from = floats(signs, rows);
    const size_t sketches = signs.As<Napi::Float32Array>().ElementLength() / rows;
    if (sketches > 1024) fail("is a sketch of more than 1024 rows");
    return {from, floats(object.Get("sketch"), sketches * weight.columns), static_cast<int>(sketches)};
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Napi::TypeError::New(info_.Env(), "argument " + std::to_string(next_) + " " + what);
  }

 private:
  static bool isCount(const Napi::Value& value) {
    if (!value.IsNumber()) return false;
    const double number = value.As<Napi::Number>().DoubleValue();
    return number >= 1 && number <= 1 << 30 && number == std::floor(number);
  }

  static bool isTyped(const Napi::Value& value, napi_typedarray_type type) {
    return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
  }

  int side(const Napi::Object& matrix, const char* name) const {
    const Napi::Value value = matrix.Get(name);
    if (!isCount(value)) fail(std::string("is a matrix without ") + name);
    return value.As<Napi::Number>().Int32Value();
  }

  const void* indices(const Napi::Value& value, size_t size, bool wide) const {
    if (!isTyped(value, wide ? napi_uint32_array : napi_uint16_array)) fail("is a matrix of indices of different widths");
    const Napi::TypedArray array = value.As<Napi::TypedArray>();
    if (array.ElementLength() != size) fail("is a matrix of broken indices");
    return static_cast<const char*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  }

  /** Where the tiles of some lines begin, the last of them where the last line ends; or nothing. */
  const int32_t* tiles(const Napi::Value& value, int units, int lines, int32_t stored) {
    if (value.IsUndefined()) return nullptr;
    const size_t size = (static_cast<size_t>(tilesOf(units)) + 1) * lines;
    const int32_t* tile = integers(value, size);
    if (tile[0] != 0 || tile[size - 1] != stored) fail("is a matrix of broken tiles");
    return tile;
  }

  float* floats(const Napi::Value& value, size_t size) {
    if (!isTyped(value, napi_float32_array)) fail("must be a Float32Array");
    Napi::Float32Array array = value.As<Napi::Float32Array>();
    if (array.ElementLength() < size) {
      fail("has " + std::to_string(array.ElementLength()) + " numbers and needs " + std::to_string(size));
    }
    return array.Data();
  }

  const int32_t* integers(const Napi::Value& value, size_t size) {
    if (!isTyped(value, napi_int32_array)) fail("must be an Int32Array");
    Napi::Int32Array array = value.As<Napi::Int32Array>();
    if (array.ElementLength() < size) {
      fail("has " + std::to_string(array.ElementLength()) + " integers and needs " + std::to_string(size));
    }
    return array.Data();
  }

  const Napi::CallbackInfo& info_;
  size_t next_ = 0;
};

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Engine",
                       {
                           InstanceMethod("linearForward", &EngineObject::linearForward),
                           InstanceMethod("linearBackward", &EngineObject::linearBackward),
                           InstanceMethod("lstmForward", &EngineObject::lstmForward),
                           InstanceMethod("lstmBackward", &EngineObject::lstmBackward),
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

  /** decode(weight, bias, positions, y, targets, probabilities): mean cross-entropy */
  Napi::Value decode(const Napi::CallbackInfo& info) {
    Arguments a(info);
    const auto weight = a.weight();
    const Matrix& m = weight.matrix;
    const float* bias = a.floats(m.rows);
    const int positions = a.count();
    const float* y = a.floats(times(positions, m.columns));
    const int32_t* targets = a.words(positions, m.rows);
    float* probabilities = a.floats(decodedSize(positions, m.rows));
    return Napi::Number::New(info.Env(), engine_->decode(m, bias, y, targets, positions, probabilities));
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
    engine_->decodeBackward(m, weight.source, y, targets, positions, probabilities, dLoss, dy, dWeight, dBias,
                            a.whole(m, &norm));
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
