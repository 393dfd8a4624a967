// SPDX-License-Identifier: MIT
// Whether threads that work on one net spin or sleep while they wait for each other: decided by how the last runs went.
// A pure function of what it is told; parallel_run.cpp acts on it.
#pragma once

#include <chrono>

namespace resnetft {

// Spinning is some percent faster where the processors are ours alone. Where they are not, who spins keeps the others
// from their work, and then waits for them: a run takes several times as long, and the thread that called it gets the
// processor for a part of the time only, which is how it is noticed.
class WaitChoice {
 public:
  using Duration = std::chrono::nanoseconds;

  // A run that ended at `now` took `wall`; the calling thread had the processor for `cpu` of it.
  void add(Duration wall, Duration cpu, Duration now);

  // At first, and again after a while of sleeping, they spin; the while doubles each time that this went wrong at once.
  bool sleeps() const { return sleeps_; }

 private:
  bool sleeps_ = false;
  int disturbed_runs_ = 0;  // in a row
  Duration since_{};        // of the last change
  Duration sleep_for_ = std::chrono::seconds(2);
};

}  // namespace resnetft
