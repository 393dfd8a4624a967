// SPDX-License-Identifier: MIT
// LibTorch's flags of how it computes are the whole process's.
#pragma once

#include <c10/core/Device.h>

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
  struct Cudnn {
    bool deterministic, benchmark, tf32, products_tf32;
  };
  static Cudnn cudnn();
  static void set(const Cudnn& flags);

  bool deterministic_;
  bool is_cuda_;
  Cudnn before_ = {};
};

}  // namespace resnetft
