#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sparrow {

/**
 * Threads that work together on one kernel at a time, started once. The caller is one of them. Between kernels the others
 * sleep; inside one they wait for each other at barriers, by spinning: a recurrent network has two for every time step.
 */
class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int size() const { return size_; }

  /** Runs `body(thread)` on every thread, 0 being the caller, and returns when all have done. */
  void run(const std::function<void(int)>& body);

  /** Inside `run`: nobody goes on before everybody has come. */
  void barrier();

 private:
  void work(int thread);
  void await(const std::atomic<unsigned>& word, unsigned old) const;

  const int size_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  const std::function<void(int)>* body_ = nullptr;
  unsigned job_ = 0;
  bool closing_ = false;
  std::atomic<int> arrived_{0};
  std::atomic<unsigned> generation_{0};
};

/** The part [begin, end) of `count` things that a thread takes: equal parts, fixed by the numbers alone. */
struct Share {
  int begin;
  int end;
};

inline Share shareOf(int count, int thread, int threads) {
  const auto at = [&](int part) { return static_cast<int>(static_cast<long long>(count) * part / threads); };
  return {at(thread), at(thread + 1)};
}

}  // namespace sparrow
