// SPDX-License-Identifier: MIT
#include "device/parallel_run.h"

#include <omp.h>
#include <time.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

#include "device/thread_budget.h"
#include "device/wait_choice.h"

namespace resnetft {
namespace {

std::chrono::nanoseconds read_clock(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// GCC's OpenMP lets a thread that waits spin for milliseconds, unless the process has more OpenMP threads than
// processors; then it sleeps almost at once. So while this lives, there is a team that is too large, asleep itself.
// (OMP_WAIT_POLICY=passive does the same, but is read before a library could set it, and for good.)
class TeamThatIsTooLarge {
 public:
  TeamThatIsTooLarge() : thread_([](std::stop_token stop) { be_one_until(stop); }) {}

 private:
  static void be_one_until(const std::stop_token& stop) {
#pragma omp parallel num_threads(omp_get_num_procs() + 1)
    meet();
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any().wait(lock, stop, [] { return false; });
  }

  // Makes the compiler keep the region.
  static void meet(){
#pragma omp barrier
  }

  std::jthread thread_;
};

struct Waits {
  std::mutex lock;
  WaitChoice choice;
  std::unique_ptr<TeamThatIsTooLarge> sleeping;
};

// Never destroyed: a thread of somebody else's may still run a net while the process ends.
Waits& waits() {
  static Waits* const waits = new Waits;
  return *waits;
}

}  // namespace

ParallelRun::ParallelRun(int threads) : parallel_(threads > 1) {
  ThreadBudget(threads).apply();
  if (!parallel_) return;
  wall_start_ = read_clock(CLOCK_MONOTONIC);
  cpu_start_ = read_clock(CLOCK_THREAD_CPUTIME_ID);
}

ParallelRun::ParallelRun() : ParallelRun(omp_get_max_threads()) {}

ParallelRun::~ParallelRun() {
  if (!parallel_) return;
  const std::chrono::nanoseconds cpu = read_clock(CLOCK_THREAD_CPUTIME_ID) - cpu_start_;
  const std::chrono::nanoseconds now = read_clock(CLOCK_MONOTONIC);
  const std::unique_lock lock(waits().lock, std::try_to_lock);
  if (!lock) return;  // another run is being looked at: as good as this one
  waits().choice.add(now - wall_start_, cpu, now);
  if (waits().choice.sleeps() == (waits().sleeping != nullptr)) return;
  if (waits().sleeping)
    waits().sleeping.reset();
  else
    waits().sleeping = std::make_unique<TeamThatIsTooLarge>();
}

}  // namespace resnetft
