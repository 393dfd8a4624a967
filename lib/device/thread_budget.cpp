// SPDX-License-Identifier: MIT
#include "device/thread_budget.h"

#include <omp.h>

#include "device/torch_module.h"

namespace resnetft {

void ThreadBudget::apply() const {
  omp_set_num_threads(threads_);
  if (const TorchModule* module = open_torch_module()) module->set_thread_count(threads_);
}

}  // namespace resnetft
