// SPDX-License-Identifier: MIT
// Which devices this machine has, why others cannot be used, and what a name like "auto" or "cuda:1" means.
#pragma once

#include <compare>
#include <string>
#include <vector>

#include "device/cuda_driver.h"

namespace resnetft {

struct SurveyedGpu {
  CudaGpu gpu;
  std::string reason;  // why it cannot be used; empty: it can
  std::string hint;
};

struct CudaSurvey {
  int driver_version = 0;  // 0: none
  std::string reason;      // why no GPU can be used at all; empty: see each
  std::string hint;
  std::vector<SurveyedGpu> gpus;
};

// Asks the driver, opens the module, and makes a context on each GPU that is new enough: takes up to a second where
// there is a GPU, and nothing where there is none.
CudaSurvey survey_cuda();

// The CPU, or a GPU by its ordinal.
struct Device {
  bool cuda = false;
  int ordinal = 0;
  auto operator<=>(const Device&) const = default;
};

std::string device_name(const Device& device);  // "cpu", "cuda:0"

// `name`: "auto", "cpu", "cuda" (the first GPU) or "cuda:N". A named device that cannot be used is DeviceUnavailable
// with the reason; "auto" is the first GPU that can be used, else the CPU, with one log line for each reason in a
// process. InvalidArgument for other names. Thread-safe.
Result<Device> choose_device(const std::string& name);

// What "auto" is where no GPU can be used: says why, once for each reason in a process.
Device cpu_because(const std::string& reason);

}  // namespace resnetft
