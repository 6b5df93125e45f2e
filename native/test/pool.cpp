#include "../src/pool.h"

#include "support.h"

namespace sparrow::test {
namespace {

/** What each thread writes before a barrier, every other thread reads after it: any missing order is a data race. */
void testBarriers(int threads) {
  Pool pool(threads);
  std::vector<int> written(threads);
  std::vector<long> seen(threads);
  constexpr int runs = 200, rounds = 10;
  for (int run = 0; run < runs; run++) {
    pool.run(false, [&](int thread) {
      for (int round = 0; round < rounds; round++) {
        written[thread] = run * rounds + round + thread;
        pool.barrier();
        for (int other = 0; other < pool.size(); other++) seen[thread] += written[other] - other;
        pool.barrier();
      }
    });
  }
  const long count = static_cast<long>(runs) * rounds;
  for (int thread = 0; thread < threads; thread++) {
    check(seen[thread] == threads * (count * (count - 1) / 2),
          "barriers of " + std::to_string(threads) + " threads, thread " + std::to_string(thread));
  }
}

/** A run is whole when it returns, whatever each thread takes, together or alone; a pool that never runs ends, too. */
void testRuns(int threads) {
  { const Pool idle(threads); }
  Pool pool(threads);
  for (const int count : {0, 1, 2, 7, 1000}) {
    for (const bool alone : {false, true, false}) {
      std::vector<int> taken(count);
      pool.run(alone, [&](int thread) {
        const Share share = shareOf(count, thread, pool.active());
        pool.barrier();
        for (int i = share.begin; i < share.end; i++) taken[i]++;
      });
      for (int i = 0; i < count; i++) check(taken[i] == 1, "shares of " + std::to_string(count) + " things");
    }
  }
}

}  // namespace

void testPool() {
  for (const int threads : {1, 2, 3, 5, 8}) {
    testBarriers(threads);
    testRuns(threads);
  }
}

}  // namespace sparrow::test
