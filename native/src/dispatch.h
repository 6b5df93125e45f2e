#pragma once
#include <vector>
#include "kernels.h"

namespace sparrow {

/** The tables of kernels that this processor and its operating system can run; the last is the fastest. */
std::vector<const Kernels*> runnableKernels();

}  // namespace sparrow
