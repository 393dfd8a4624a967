// SPDX-License-Identifier: MIT
#pragma once

#include <c10/core/Device.h>

#include <optional>

#include "device/parallel_run.h"

namespace resnetft {

// A ParallelRun where the work is the CPU's; nothing where it is a GPU's.
class CpuRun {
 public:
  explicit CpuRun(const c10::Device& device) {
    if (device.is_cpu()) run_.emplace();
  }

 private:
  std::optional<ParallelRun> run_;
};

}  // namespace resnetft
