// SPDX-License-Identifier: MIT
// A stretch of work on several threads of the CPU: with the threads that it may use, and waits that suit what else the
// machine does. Around work on a GPU it would take the caller's sleep for being kept from the processor.
#pragma once

#include <chrono>

namespace resnetft {

// Lives around the work, in the thread that calls it. Applies the budget as ThreadBudget does, and learns for the
// process how OpenMP's threads should wait. Cheap: two clocks, where there is more than one thread.
class ParallelRun {
 public:
  explicit ParallelRun(int threads);
  ParallelRun();  // with the budget that the thread has
  ~ParallelRun();
  ParallelRun(const ParallelRun&) = delete;
  ParallelRun& operator=(const ParallelRun&) = delete;

 private:
  bool parallel_;
  std::chrono::nanoseconds wall_start_{};
  std::chrono::nanoseconds cpu_start_{};
};

// Lives around a pause inside such a stretch, in the same thread, so that sleeping is not taken for being kept from the
// processor.
class ParallelPause {
 public:
  ParallelPause();
  ~ParallelPause();
  ParallelPause(const ParallelPause&) = delete;
  ParallelPause& operator=(const ParallelPause&) = delete;

 private:
  std::chrono::nanoseconds wall_start_{};
  std::chrono::nanoseconds cpu_start_{};
};

}  // namespace resnetft
