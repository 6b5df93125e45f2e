#pragma once
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace sparrow {

/**
 * Threads that work together on one kernel at a time, started once. The caller is one of them. Between kernels the others
 * sleep; inside one they wait for each other at barriers, of which a recurrent network has one for every time step: by spinning
 * for as long as threads of one step are usually apart, and then asleep, as somebody else needs the core.
 */
class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int size() const { return size_; }

  /**
   * Runs `body(thread)` on every thread, 0 being the caller, and returns when all have done; or on the caller alone. The body stays
   * where it is: a std::function would copy it to new memory.
   */
  template <typename Body>
  void run(bool alone, const Body& body) {
    run(alone, {&body, [](const void* of, int thread) { (*static_cast<const Body*>(of))(thread); }});
  }

  /** Inside `run`: how many threads there are. */
  int active() const { return active_; }

  /** Inside `run`: nobody goes on before everybody has come. */
  void barrier();

 private:
  struct Job {
    const void* body;
    void (*call)(const void* body, int thread);
  };
  void run(bool alone, const Job& job);
  /** Ends the threads that were started. */
  void close();
  void work(int thread);

  const int size_;
  int active_ = 1;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Job body_{};
  unsigned job_ = 0;
  bool closing_ = false;
  std::atomic<int> arrived_{0};
  std::atomic<unsigned> generation_{0};
  std::condition_variable released_;
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
