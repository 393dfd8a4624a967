// SPDX-License-Identifier: MIT
// Mixup and CutMix on tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include "train/mix.h"

namespace resnetft {

// Mixes `pictures` [N, C, H, W] in place and returns the targets as shares [N, classes].
at::Tensor apply_mix(const MixDraw& draw, at::Tensor& pictures, const at::Tensor& class_ids, int64_t classes);

}  // namespace resnetft
