#include "engine.h"
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine_parts.h"

namespace sparrow {

Engine::Engine(int threads, const Kernels& kernels) : pool_(threads), kernels_(kernels), pieces_(pieceCount) {}

float* Engine::scratch(int piece, size_t count) {
  Piece& kept = pieces_[piece];
  if (kept.size < count) {
    kept.memory.reset();
    kept.size = 0;
    kept.memory.reset(new float[count + 16]);
    kept.size = count;
  }
  const uintptr_t at = reinterpret_cast<uintptr_t>(kept.memory.get());
  return reinterpret_cast<float*>((at + 63) / 64 * 64);
}

Range Engine::part(int count, int thread) const {
  const Share share = shareOf(count, thread, pool_.active());
  return {share.begin, share.end};
}

Range Engine::balanced(const Matrix& weight, bool byColumn, int thread) const {
  const int lines = byColumn ? weight.columns : weight.rows;
  if (!weight.sparse) return part(lines, thread);
  const int32_t* start = byColumn ? weight.columnStart : weight.rowStart;
  const auto at = [&](int edge) {
    if (edge == pool_.active()) return lines;
    const int32_t target = static_cast<int32_t>(static_cast<int64_t>(start[lines]) * edge / pool_.active());
    return static_cast<int>(std::lower_bound(start, start + lines, target) - start);
  };
  return {at(thread), at(thread + 1)};
}

Matrix Engine::withColumns(const Matrix& weight, const int32_t* source, int piece) {
  const size_t count = storedIn(weight);
  float* byColumn = scratch(piece, count);
  pool_.run(isSmall(static_cast<double>(count)), [&](int thread) {
    if (weight.sparse) {
      const Range mine = part(static_cast<int>(count), thread);
      for (int i = mine.begin; i < mine.end; i++) byColumn[i] = weight.values[source[i]];
      return;
    }
    const Range mine = part(weight.columns, thread);
    for (int from = mine.begin; from < mine.end; from += 16) {
      const int to = std::min(from + 16, mine.end);
      for (int row = 0; row < weight.rows; row++) {
        for (int column = from; column < to; column++) {
          byColumn[static_cast<size_t>(column) * weight.rows + row] = weight.values[static_cast<size_t>(row) * weight.columns + column];
        }
      }
    }
  });
  Matrix both = weight;
  both.valuesByColumn = byColumn;
  return both;
}

void Engine::packAll(const float* x, int positions, int units, float* blocked) {
  pool_.run(isSmall(static_cast<double>(positions) * units), [&](int thread) { kernels_.pack(x, positions, units, blocked, part(units, thread)); });
}

void Engine::unpackAll(const float* blocked, int positions, int units, float* x) {
  pool_.run(isSmall(static_cast<double>(positions) * units), [&](int thread) { kernels_.unpack(blocked, positions, units, x, part(units, thread)); });
}

// ---------------------------------------------------------------- LSTM

void Engine::lstmForward(const Matrix& input, const Matrix& recurrent, const float* inputBias, const float* recurrentBias,
                         const LstmWindow& w, float* hiddenAfter, float* cellAfter) {
  const int positions = w.steps * w.batch;
  const int stride = strideOf(w.batch);
  const size_t slab = static_cast<size_t>(w.size) * stride;
  float* in = scratch(inputBlocks, blockedSize(positions, w.inputs));
  packAll(w.x, positions, w.inputs, in);
  float* bias = scratch(biases, 4 * static_cast<size_t>(w.size));
  for (int row = 0; row < 4 * w.size; row++) bias[row] = inputBias[row] + recurrentBias[row];
  float* projected = scratch(outputBlocks, blockedSize(positions, 4 * w.size));
  float* hidden = scratch(stepHidden, 2 * slab);
  for (int lane = 0; lane < stride; lane++) {
    for (int unit = 0; unit < w.size; unit++) {
      const size_t from = static_cast<size_t>(lane) * w.size + unit;
      hidden[slabIndex(w.size, stride, unit, lane)] = lane < w.batch ? w.hidden[from] : 0;
      w.cells[flatIndex(w.size, stride, unit, lane)] = lane < w.batch ? w.cell[from] : 0;
    }
  }
  LstmSequence sequence{};
  sequence.steps = w.steps;
  sequence.batch = w.batch;
  sequence.size = w.size;
  sequence.stride = stride;
  sequence.recurrent = &recurrent;
  sequence.projected = projected;
  sequence.gates = w.gates;
  sequence.hidden = hidden;
  sequence.cells = w.cells;
  sequence.out = scratch(stepOut, slab);
  sequence.y = w.y;
  pool_.run(isSmall(input, positions), [&](int thread) {
    kernels_.forward(input, bias, in, blocksOf(positions), projected, balanced(input, false, thread));
  });
  // What counts is a step between two barriers.
  pool_.run(isSmall(10.0 * storedIn(recurrent) * stride), [&](int thread) {
    for (int step = 0; step < w.steps; step++) {
      kernels_.lstmForward(sequence, step, part(w.size, thread));
      pool_.barrier();
    }
  });
  std::memcpy(hiddenAfter, w.y + static_cast<size_t>(positions - w.batch) * w.size, sizeof(float) * w.batch * w.size);
  const float* last = w.cells + slab * w.steps;
  for (int lane = 0; lane < w.batch; lane++) {
    for (int unit = 0; unit < w.size; unit++) cellAfter[static_cast<size_t>(lane) * w.size + unit] = last[flatIndex(w.size, stride, unit, lane)];
  }
}

void Engine::lstmBackward(const Matrix& input, const int32_t* inputSource, const Matrix& recurrent, const int32_t* recurrentSource,
                          const LstmWindow& w, const LstmGradients& g) {
  const int positions = w.steps * w.batch;
  const int blocks = blocksOf(positions);
  const int stride = strideOf(w.batch);
  const size_t slab = static_cast<size_t>(w.size) * stride;
  const Matrix inputBoth = withColumns(input, inputSource, columnOrder);
  const Matrix recurrentBoth = withColumns(recurrent, recurrentSource, secondColumnOrder);
  float* dGates = scratch(outputBlocks, blockedSize(positions, 4 * w.size));
  // Lanes beyond the last position.
  std::memset(dGates + static_cast<size_t>(blocks - 1) * 4 * w.size * lanes, 0, sizeof(float) * 4 * w.size * lanes);
  float* dc = scratch(stepDc, slab);
  for (int lane = 0; lane < stride; lane++) {
    for (int unit = 0; unit < w.size; unit++) {
      dc[flatIndex(w.size, stride, unit, lane)] = lane < w.batch ? g.dCellAfter[static_cast<size_t>(lane) * w.size + unit] : 0;
    }
  }
  float* in = scratch(inputBlocks, blockedSize(positions, w.inputs));
  LstmSequence sequence{};
  sequence.steps = w.steps;
  sequence.batch = w.batch;
  sequence.size = w.size;
  sequence.stride = stride;
  sequence.recurrent = &recurrentBoth;
  sequence.gates = w.gates;
  sequence.cells = w.cells;
  sequence.out = scratch(stepOut, slab);
  sequence.dy = g.dy;
  sequence.dHidden = g.dHiddenAfter;
  sequence.dc = dc;
  sequence.dz = scratch(stepDz, 8 * slab);
  sequence.dGates = dGates;
  pool_.run(isSmall(10.0 * storedIn(recurrent) * stride), [&](int thread) {
    for (int step = w.steps - 1; step >= 0; step--) {
      kernels_.lstmBackward(sequence, step, part(w.size, thread));
      pool_.barrier();
    }
    kernels_.lstmInitial(sequence, g.dHidden, part(w.size, thread));
  });
  pool_.run(isSmall(input, positions), [&](int thread) {
    kernels_.rowSums(dGates, 4 * w.size, blocks, g.dBias, part(4 * w.size, thread));
    kernels_.transposed(inputBoth, dGates, blocks, in, balanced(input, true, thread));
  });
  for (int lane = 0; lane < w.batch; lane++) {
    for (int unit = 0; unit < w.size; unit++) g.dCell[static_cast<size_t>(lane) * w.size + unit] = dc[flatIndex(w.size, stride, unit, lane)];
  }
  unpackAll(in, positions, w.inputs, g.dx);

  const size_t ofBatch = static_cast<size_t>(w.batch) * w.size;
  float* before = scratch(hiddenBefore, static_cast<size_t>(positions) * w.size);
  std::memcpy(before, w.hidden, sizeof(float) * ofBatch);
  std::memcpy(before + ofBatch, w.y, sizeof(float) * (static_cast<size_t>(positions) * w.size - ofBatch));
  gradients(dGates, positions, {{input, w.x, inputBlocks, g.dInput, g.wholeInput}, {recurrent, before, hiddenBlocks, g.dRecurrent, g.wholeRecurrent}});
}

// ---------------------------------------------------------------- decoder and cross-entropy

float Engine::decode(const Matrix& weight, const float* bias, const float* y, const int32_t* targets, int positions,
                     float* probabilities, float* ofTargets) {
  const int blocks = blocksOf(positions);
  const size_t positionsFilled = static_cast<size_t>(blocks) * lanes;
  const int shares = (weight.rows + shareOfWords - 1) / shareOfWords;
  const auto blockOf = [&](float* all, int units, int block) { return all + static_cast<size_t>(block) * units * lanes; };
  float* in = scratch(inputBlocks, blockedSize(positions, weight.columns));
  packAll(y, positions, weight.columns, in);
  float* largest = scratch(ofLanes, positionsFilled * pool_.size());
  float* ofTarget = scratch(ofTargets, static_cast<size_t>(positions));
  float* partial = scratch(wordSums, positionsFilled * shares);
  float* inverse = probabilities + blockedSize(positions, weight.rows);
  // Block by block, so that logits are still in the cache when they become exponentials.
  pool_.run(isSmall(weight, positions), [&](int thread) {
    const Range rows = balanced(weight, false, thread);
    const Range share = part(shares, thread);
    const Range lane = part(lanes, thread);
    for (int block = 0; block < blocks; block++) {
      float* logits = blockOf(probabilities, weight.rows, block);
      float* most = largest + block * lanes;
      kernels_.forward(weight, bias, blockOf(in, weight.columns, block), 1, logits, rows);
      if (rows.begin < rows.end) kernels_.largestOf(logits, rows, most + positionsFilled * thread);
      else std::fill(most + positionsFilled * thread, most + positionsFilled * thread + lanes, -INFINITY);
      pool_.barrier();
      for (int i = lane.begin; i < lane.end; i++) {
        for (int other = 1; other < pool_.active(); other++) most[i] = std::max(most[i], most[positionsFilled * other + i]);
        const int position = block * lanes + i;
        if (position < positions) ofTarget[position] = logits[static_cast<size_t>(targets[position]) * lanes + i] - most[i];
      }
      pool_.barrier();
      for (int i = share.begin; i < share.end; i++) {
        const Range words = {i * shareOfWords, std::min(weight.rows, (i + 1) * shareOfWords)};
        kernels_.exponentials(logits, words, most, partial + positionsFilled * i + block * lanes);
      }
    }
  });
  double loss = 0;
  for (int position = 0; position < positions; position++) {
    float sum = 0;
    for (int share = 0; share < shares; share++) sum += partial[positionsFilled * share + position];
    inverse[position] = 1 / sum;
    loss += static_cast<double>(std::log(sum)) - ofTarget[position];
    if (ofTargets != nullptr) ofTargets[position] = std::exp(ofTarget[position]) / sum;
  }
  return static_cast<float>(loss / positions);
}

void Engine::decodeBackward(const Matrix& weight, const int32_t* source, const float* y, const int32_t* targets, int positions,
                            float* probabilities, float dLoss, float* dy, float* dWeight, float* dBias, const Whole& whole,
                            const float* shares) {
  const int blocks = blocksOf(positions);
  const float equal = dLoss / static_cast<float>(positions);
  const auto shareOf = [&](int position) { return shares == nullptr ? equal : shares[position]; };
  const float* inverse = probabilities + blockedSize(positions, weight.rows);
  float* dLogits = probabilities;  // in place: 28 MB of a large vocabulary
  float* factors = scratch(ofLanes, static_cast<size_t>(blocks) * lanes);
  for (int lane = 0; lane < blocks * lanes; lane++) factors[lane] = lane < positions ? inverse[lane] * shareOf(lane) : 0;
  float* in = scratch(inputBlocks, blockedSize(positions, weight.columns));
  const Matrix both = withColumns(weight, source, columnOrder);
  pool_.run(isSmall(weight, positions), [&](int thread) {
    const Range rows = part(weight.rows, thread);
    for (int block = 0; block < blocks; block++) {
      float* of = dLogits + static_cast<size_t>(block) * weight.rows * lanes;
      kernels_.scaleLanes(of, rows, factors + block * lanes);
      for (int lane = 0; lane < lanes && block * lanes + lane < positions; lane++) {
        const int target = targets[block * lanes + lane];
        if (target >= rows.begin && target < rows.end) of[static_cast<size_t>(target) * lanes + lane] -= shareOf(block * lanes + lane);
      }
    }
    kernels_.rowSums(dLogits, weight.rows, blocks, dBias, rows);
    pool_.barrier();
    kernels_.transposed(both, dLogits, blocks, in, balanced(weight, true, thread));
  });
  unpackAll(in, positions, weight.columns, dy);
  gradients(dLogits, positions, {{weight, y, inputBlocks, dWeight, whole}});
}

// ---------------------------------------------------------------- embedding

void Engine::lookUp(const Matrix& weight, const int32_t* words, int positions, float* rows) {
  for (int position = 0; position < positions; position++) {
    float* to = rows + static_cast<size_t>(position) * weight.columns;
    const int word = words[position];
    if (!weight.sparse) {
      std::memcpy(to, weight.values + static_cast<size_t>(word) * weight.columns, sizeof(float) * weight.columns);
      continue;
    }
    std::memset(to, 0, sizeof(float) * weight.columns);
    const auto scatter = [&](const auto* column) {
      for (int k = weight.rowStart[word]; k < weight.rowStart[word + 1]; k++) to[column[k]] = weight.values[k];
    };
    if (weight.wide) scatter(static_cast<const uint32_t*>(weight.column));
    else scatter(static_cast<const uint16_t*>(weight.column));
  }
}

void Engine::lookUpBackward(const Matrix& weight, const int32_t* words, int positions, const float* dRows, float* dWeight,
                            const Whole& whole) {
  const size_t count = storedIn(weight);
  std::memset(dWeight, 0, sizeof(float) * count);
  // Positions by word, so that each word's row is summed once, in the order of the text.
  int32_t* order = reinterpret_cast<int32_t*>(scratch(sums, static_cast<size_t>(positions)));
  for (int position = 0; position < positions; position++) order[position] = position;
  std::sort(order, order + positions, [&](int a, int b) { return words[a] != words[b] ? words[a] < words[b] : a < b; });
  float* row = scratch(biases, static_cast<size_t>(weight.columns));
  double squares = 0;
  std::fill(whole.sketch, whole.sketch + static_cast<size_t>(whole.sketches) * weight.columns, 0.f);
  for (int first = 0; first < positions;) {
    const int word = words[order[first]];
    std::memset(row, 0, sizeof(float) * weight.columns);
    for (; first < positions && words[order[first]] == word; first++) {
      const float* from = dRows + static_cast<size_t>(order[first]) * weight.columns;
      for (int column = 0; column < weight.columns; column++) row[column] += from[column];
    }
    if (whole.norm != nullptr) squares += kernels_.sumOfSquares(row, 0, weight.columns);
    for (int sketch = 0; sketch < whole.sketches; sketch++) {
      const float sign = whole.signs[static_cast<size_t>(sketch) * weight.rows + word];
      float* to = whole.sketch + static_cast<size_t>(sketch) * weight.columns;
      for (int column = 0; column < weight.columns; column++) to[column] += sign * row[column];
    }
    if (!weight.sparse) {
      std::memcpy(dWeight + static_cast<size_t>(word) * weight.columns, row, sizeof(float) * weight.columns);
      continue;
    }
    const auto collect = [&](const auto* column) {
      for (int k = weight.rowStart[word]; k < weight.rowStart[word + 1]; k++) dWeight[k] = row[column[k]];
    };
    if (weight.wide) collect(static_cast<const uint32_t*>(weight.column));
    else collect(static_cast<const uint16_t*>(weight.column));
  }
  if (whole.norm != nullptr) *whole.norm = squares;
}

// ---------------------------------------------------------------- optimisers and masks

void Engine::sgd(float* w, const float* g, const float* mask, int count, float scale, float decay, float rate) {
  pool_.run(isSmall(count), [&](int thread) {
    const Range mine = part(count, thread);
    kernels_.sgd(w, g, mask, scale, decay, rate, mine.begin, mine.end);
  });
}

void Engine::averagedSgd(float* w, const float* g, const float* mask, float* average, const float* since, int count, float now,
                         float scale, float decay, float rate) {
  pool_.run(isSmall(count), [&](int thread) {
    const Range mine = part(count, thread);
    kernels_.averagedSgd(w, g, mask, average, since, now, scale, decay, rate, mine.begin, mine.end);
  });
}

void Engine::adam(float* w, const float* g, const float* mask, float* m1, float* m2, int count, const AdamRates& rates) {
  pool_.run(isSmall(count), [&](int thread) {
    const Range mine = part(count, thread);
    kernels_.adam(w, g, mask, m1, m2, rates, mine.begin, mine.end);
  });
}

void Engine::multiply(const float* x, const float* y, float* product, int count) {
  pool_.run(isSmall(count), [&](int thread) {
    const Range mine = part(count, thread);
    kernels_.multiply(x, y, product, mine.begin, mine.end);
  });
}

double Engine::sumOfSquares(const float* x, int count) {
  const int shares = (count + shareOfSum - 1) / shareOfSum;
  double* parts = reinterpret_cast<double*>(scratch(sums, 2 * static_cast<size_t>(shares)));
  pool_.run(isSmall(count), [&](int thread) {
    const Range mine = part(shares, thread);
    for (int share = mine.begin; share < mine.end; share++) {
      parts[share] = kernels_.sumOfSquares(x, share * shareOfSum, std::min(count, (share + 1) * shareOfSum));
    }
  });
  double sum = 0;
  for (int share = 0; share < shares; share++) sum += parts[share];
  return sum;
}

void Engine::dropout(const DropoutDraw& draw, float* mask, int count) {
  const int groups = (count + 63) / 64;  // of sixteen draws, four words each
  pool_.run(isSmall(20.0 * count), [&](int thread) {
    const Range mine = part(groups, thread);
    kernels_.dropout(draw, mask, 16 * mine.begin, std::min(count, 64 * mine.end));
  });
}

}  // namespace sparrow
