#include "dispatch.h"

namespace sparrow {

std::vector<const Kernels*> runnableKernels() {
  std::vector<const Kernels*> runnable{&kernelsPlain};
#if defined(__x86_64__)
  // These also ask whether the operating system saves the wide registers. The features are those of binding.gyp's flags.
  __builtin_cpu_init();
  const bool fma = __builtin_cpu_supports("fma");
  if (fma && __builtin_cpu_supports("avx2")) runnable.push_back(&kernelsAvx2);
  if (fma && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    runnable.push_back(&kernelsAvx512);
  }
#endif
  return runnable;
}

}  // namespace sparrow
