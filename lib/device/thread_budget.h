// SPDX-License-Identifier: MIT
// The one place that sets thread counts: nothing else calls omp_set_num_threads, at::set_num_threads or MKL's.
#pragma once

namespace resnetft {

// How many threads (itself among them) a thread's OpenMP, ATen and MKL regions use.
class ThreadBudget {
 public:
  // `threads` below 1 count as 1.
  explicit ThreadBudget(int threads) : threads_(threads < 1 ? 1 : threads) {}

  int threads() const { return threads_; }

  // Sets the counts of the calling thread and of no other, born or unborn: OpenMP's, and ATen's and MKL's where the
  // torch module is open. Costs well under a microsecond when repeated. To be called by each thread of ours at its
  // start, and by a thread of somebody else's before each run: a count that was set before the torch module was opened
  // is lost at the thread's first ATen call.
  void apply() const;

 private:
  int threads_;
};

// The processors that the process may use, at least 1.
int processors_of_process();

}  // namespace resnetft
