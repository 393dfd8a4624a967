// SPDX-License-Identifier: MIT
// LibTorch's flags of how it computes are the whole process's.
#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "train/recipe.h"

namespace resnetft {

// Who else uses the device in this process.
enum class Company { Nobody, Others };

// Sets what the recipe asks for, and puts back what was when it goes. Beside others cuDNN's algorithms are not timed:
// LibTorch waits for the whole GPU then, which ends the recording of anybody's CUDA graph.
class ProcessFlags {
 public:
  ProcessFlags(const Recipe& recipe, const at::Device& device, Company company = Company::Nobody);
  ~ProcessFlags();
  ProcessFlags(const ProcessFlags&) = delete;
  ProcessFlags& operator=(const ProcessFlags&) = delete;

 private:
  struct CudaFlags;

  bool deterministic_, only_warns_;
  std::unique_ptr<const CudaFlags> before_;  // of a GPU
};

}  // namespace resnetft
