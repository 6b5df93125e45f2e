#pragma once
#include <napi.h>

namespace sparrow {

/** The class `Engine` of JavaScript: new Engine(threads, width). */
Napi::Function engineClass(Napi::Env env);

}  // namespace sparrow
