// SPDX-License-Identifier: MIT
// LibTorch's flags of how it computes are the whole process's.
#pragma once

#include <c10/core/Device.h>

#include "resnetft/error.h"
#include "train/recipe.h"

namespace resnetft {

// Who else uses the device in this process.
enum class Company { Nobody, Others };

// Sets what the recipe asks for while it lives; the last one that goes puts back what was before the first. One that
// asks for other arithmetic than those that live is refused, and sets nothing. Beside others cuDNN's algorithms are not
// timed: LibTorch waits for the whole GPU then, which ends the recording of anybody's CUDA graph. Thread-safe.
class ProcessFlags {
 public:
  ProcessFlags(const Recipe& recipe, const at::Device& device, Company company = Company::Nobody);
  ~ProcessFlags();
  ProcessFlags(const ProcessFlags&) = delete;
  ProcessFlags& operator=(const ProcessFlags&) = delete;

  // Incompatible where it was refused.
  const Status& status() const { return status_; }

 private:
  Status status_ = Status::success();
  bool is_on_gpu_;
};

}  // namespace resnetft
