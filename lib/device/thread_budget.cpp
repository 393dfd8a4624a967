// SPDX-License-Identifier: MIT
#include "device/thread_budget.h"

#include <omp.h>
#include <sched.h>

#include "device/torch_module.h"

namespace resnetft {

void ThreadBudget::apply() const {
  omp_set_num_threads(threads_);
  if (const TorchModule* module = open_torch_module()) module->set_thread_count(threads_);
}

int processors_of_process() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

}  // namespace resnetft
