#pragma once
#include <napi.h>

#include <cmath>
#include <string>

#include "engine.h"

namespace sparrow {

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

  /** How many arguments the call has. */
  size_t total() const { return info_.Length(); }

  std::string text() {
    const Napi::Value value = info_[next_++];
    if (!value.IsString()) fail("must be a text");
    return value.As<Napi::String>().Utf8Value();
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

}  // namespace sparrow
