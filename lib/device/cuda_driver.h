// SPDX-License-Identifier: MIT
// What NVIDIA's driver says of this machine. The driver's library is opened by hand, on demand, and by nothing else
// of resnetft's: a machine without one is never troubled, and needs no CUDA to be told why.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "resnetft/error.h"

namespace resnetft {

// Of a CUDA version, as the driver and the toolkit count: 13000 is 13.0.
std::string cuda_version_text(int version);

struct CudaGpu {
  int ordinal = 0;
  std::string name;
  int major = 0, minor = 0;  // compute capability
  uint64_t memory_bytes = 0;
};

struct CudaDriver {
  int version = 0;  // the newest CUDA that it runs
  std::vector<CudaGpu> gpus;
};

// DeviceUnavailable where there is no driver, where it is a stub or does not start, and where it finds no GPU. A
// failure is not remembered. Thread-safe.
Result<CudaDriver> query_cuda_driver();

}  // namespace resnetft
