// SPDX-License-Identifier: MIT
// LibTorch's flags of how it computes are the whole process's.
#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "train/recipe.h"

namespace resnetft {

// Sets what the recipe asks for, and puts back what was when it goes.
class ProcessFlags {
 public:
  ProcessFlags(const Recipe& recipe, const at::Device& device);
  ~ProcessFlags();
  ProcessFlags(const ProcessFlags&) = delete;
  ProcessFlags& operator=(const ProcessFlags&) = delete;

 private:
  struct CudaFlags;

  bool deterministic_, only_warns_;
  std::unique_ptr<const CudaFlags> before_;  // of a GPU
};

}  // namespace resnetft
