#include "pool.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace sparrow {

namespace {

constexpr int spins = 1000;  // from ten microseconds to fifty, as long as processors take to pause

void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#endif
}

}  // namespace

Pool::Pool(int threads) : size_(threads) {
  try {
    for (int thread = 1; thread < size_; thread++) threads_.emplace_back([this, thread] { work(thread); });
  } catch (...) {
    close();
    throw;
  }
}

Pool::~Pool() { close(); }

void Pool::close() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Pool::run(bool alone, const Job& job) {
  active_ = alone ? 1 : size_;
  if (active_ == 1) return job.call(job.body, 0);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    body_ = job;
    job_++;
  }
  wake_.notify_all();
  job.call(job.body, 0);
  barrier();
}

void Pool::barrier() {
  if (active_ == 1) return;
  const unsigned generation = generation_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
    arrived_.store(0, std::memory_order_relaxed);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      generation_.store(generation + 1, std::memory_order_release);
    }
    released_.notify_all();
    return;
  }
  for (int spin = 0; spin < spins; spin++) {
    if (generation_.load(std::memory_order_acquire) != generation) return;
    pause();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  released_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != generation; });
}

void Pool::work(int thread) {
  unsigned done = 0;
  for (;;) {
    Job job;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return closing_ || job_ != done; });
      if (closing_) return;
      done = job_;
      job = body_;
    }
    job.call(job.body, thread);
    barrier();
  }
}

}  // namespace sparrow
