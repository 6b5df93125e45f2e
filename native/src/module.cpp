// What JavaScript sees of the native engine.
#include <napi.h>

#include <string>
#include <vector>

#include "dispatch.h"
#include "engine_object.h"
#include "kernels.h"
#include "pool.h"

namespace sparrow {
namespace {

/** widths(): string[], the vector widths that this machine can run; the last is the fastest. */
Napi::Value widths(const Napi::CallbackInfo& info) {
  const std::vector<const Kernels*> runnable = runnableKernels();
  Napi::Array names = Napi::Array::New(info.Env(), runnable.size());
  for (uint32_t i = 0; i < runnable.size(); i++) names.Set(i, runnable[i]->name);
  return names;
}

const Kernels& kernelsOf(const Napi::Env& env, const std::string& width) {
  for (const Kernels* kernels : runnableKernels()) {
    if (kernels->name == width) return *kernels;
  }
  throw Napi::RangeError::New(env, "this machine does not run vector width " + width);
}

int threadsOf(const Napi::CallbackInfo& info, size_t argument) {
  const Napi::Env env = info.Env();
  if (!info[argument].IsNumber()) throw Napi::TypeError::New(env, "the number of threads must be a number");
  const double threads = info[argument].As<Napi::Number>().DoubleValue();
  if (!(threads >= 1 && threads <= 1024)) {
    throw Napi::RangeError::New(env, "the number of threads must be from 1 to 1024, not " + std::to_string(threads));
  }
  return static_cast<int>(threads);
}

/**
 * selfTest(threads, width?): Float32Array, [70, 37]: y = x Wᵀ + b over 70 positions, W being [37, 29] with a quarter of its
 * weights active. All numbers are small integers, so that every order of the sums gives the same floats.
 */
Napi::Value selfTest(const Napi::CallbackInfo& info) {
  constexpr int positions = 70, rows = 37, columns = 29;
  const int threads = threadsOf(info, 0);
  const Kernels& kernels =
      info[1].IsString() ? kernelsOf(info.Env(), info[1].As<Napi::String>()) : *runnableKernels().back();

  std::vector<float> x, values, bias;
  std::vector<int32_t> rowStart{0};
  std::vector<uint16_t> column;
  for (int i = 0; i < positions * columns; i++) x.push_back(static_cast<float>(i * 7 % 17 - 8));
  for (int row = 0; row < rows; row++) {
    bias.push_back(static_cast<float>(row % 5 - 2));
    for (int at = 0; at < columns; at++) {
      if ((row + at) % 4 != 0) continue;
      column.push_back(static_cast<uint16_t>(at));
      values.push_back(static_cast<float>((row * 5 + at * 11) % 13 - 6));
    }
    rowStart.push_back(static_cast<int32_t>(column.size()));
  }
  Matrix weight{};
  weight.rows = rows;
  weight.columns = columns;
  weight.values = values.data();
  weight.sparse = true;
  weight.rowStart = rowStart.data();
  weight.column = column.data();

  std::vector<float> xBlocked(blockedSize(positions, columns)), yBlocked(blockedSize(positions, rows));
  Napi::Float32Array y = Napi::Float32Array::New(info.Env(), static_cast<size_t>(positions) * rows);
  float* const result = y.Data();
  Pool pool(threads);
  pool.run(false, [&](int thread) {
    const auto range = [&](int count) {
      const Share share = shareOf(count, thread, pool.size());
      return Range{share.begin, share.end};
    };
    kernels.pack(x.data(), positions, columns, xBlocked.data(), range(columns));
    pool.barrier();
    kernels.forward(weight, bias.data(), xBlocked.data(), blocksOf(positions), yBlocked.data(), range(rows));
    pool.barrier();
    kernels.unpack(yBlocked.data(), positions, rows, result, range(rows));
  });
  return y;
}

struct Exported {
  const char* name;
  Napi::Value (*function)(const Napi::CallbackInfo&);
};

constexpr Exported exported[] = {
    {"widths", widths},
    {"selfTest", selfTest},
};

Napi::Object start(Napi::Env env, Napi::Object exports) {
  exports.Set("Engine", engineClass(env));
  for (const Exported& each : exported) exports.Set(each.name, Napi::Function::New(env, each.function, each.name));
  return exports;
}

}  // namespace

NODE_API_MODULE(sparrow, start)

}  // namespace sparrow
