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

// What the pauses of this thread have taken so far.
thread_local std::chrono::nanoseconds paused_wall{}, paused_cpu{};

std::chrono::nanoseconds wall_without_pauses() { return read_clock(CLOCK_MONOTONIC) - paused_wall; }
std::chrono::nanoseconds cpu_without_pauses() { return read_clock(CLOCK_THREAD_CPUTIME_ID) - paused_cpu; }

}  // namespace

ParallelPause::ParallelPause() : wall_start_(wall_without_pauses()), cpu_start_(cpu_without_pauses()) {}

ParallelPause::~ParallelPause() {
  paused_wall += wall_without_pauses() - wall_start_;
  paused_cpu += cpu_without_pauses() - cpu_start_;
}

ParallelRun::ParallelRun(int threads) : parallel_(threads > 1) {
  ThreadBudget(threads).apply();
  if (!parallel_) return;
  wall_start_ = wall_without_pauses();
  cpu_start_ = cpu_without_pauses();
}

ParallelRun::ParallelRun() : ParallelRun(omp_get_max_threads()) {}

ParallelRun::~ParallelRun() {
  if (!parallel_) return;
  const std::chrono::nanoseconds cpu = cpu_without_pauses() - cpu_start_;
  const std::chrono::nanoseconds now = read_clock(CLOCK_MONOTONIC), wall = wall_without_pauses() - wall_start_;
  const std::unique_lock lock(waits().lock, std::try_to_lock);
  if (!lock) return;  // another run is being looked at: as good as this one
  waits().choice.add(wall, cpu, now);
  if (waits().choice.sleeps() == (waits().sleeping != nullptr)) return;
  if (waits().sleeping)
    waits().sleeping.reset();
  else
    waits().sleeping = std::make_unique<TeamThatIsTooLarge>();
}

}  // namespace resnetft
