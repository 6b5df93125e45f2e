#pragma once
#include <napi.h>

#include "engine.h"

namespace sparrow {

/**
 * cellForward(cell, steps, batch, chunk, inputWeight, inputBias, mask, x, hidden, cellState, y, hiddenAfter, cellAfter, states, cells,
 * kept, then of each depth: recurrentWeight, recurrentBias). The cell is "elman", "gru", "rhn" or "onLstm"; mask may be null.
 */
Napi::Value cellForward(Engine& engine, const Napi::CallbackInfo& info);

/**
 * cellBackward(cell, steps, batch, chunk, inputWeight, mask, x, states, cells, kept, dy, dHiddenAfter, dCellAfter, dx, dInput,
 * dInputBias, dHidden, dCell, wholeInput, then of each depth: recurrentWeight, dWeight, dBias, whole):
 * [squared norm of the whole gradient of the input weight and of that of each depth, or 0]
 */
Napi::Value cellBackward(Engine& engine, const Napi::CallbackInfo& info);

}  // namespace sparrow
