// SPDX-License-Identifier: MIT
#include "device/thread_budget.h"

#include <omp.h>

#include <chrono>
#include <mutex>
#include <thread>

#include "device/torch_module.h"

namespace resnetft {
namespace {

// GCC's OpenMP lets a thread that waits for others spin for milliseconds, unless the process has more OpenMP threads
// than processors; then it sleeps at once. Each layer of a net waits, and in a video pipeline somebody else is always
// at work, whom the spinning keeps from ending: ResNet-50 beside two busy processes took five times as long, ResNet-20
// a hundred times. So one team that is too large is called once, and stays, asleep. (OMP_WAIT_POLICY=passive would do
// the same, but is read before anybody could set it.)
void keep_waits_short() {
  static std::once_flag once;
  std::call_once(once, [] {
    std::thread([] {
#pragma omp parallel num_threads(omp_get_num_procs() + 1)
      {
#pragma omp barrier  // an empty region would be left out
      }
      for (;;) std::this_thread::sleep_for(std::chrono::hours(24));
    }).detach();
  });
}

}  // namespace

void ThreadBudget::apply() const {
  if (threads_ > 1) keep_waits_short();
  omp_set_num_threads(threads_);
  if (const TorchModule* module = open_torch_module()) module->set_thread_count(threads_);
}

}  // namespace resnetft
