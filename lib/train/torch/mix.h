// SPDX-License-Identifier: MIT
// Mixup and CutMix on tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include "train/mix.h"

namespace resnetft {

// Mixes `pictures` [N, C, H, W] in place.
void mix_pictures(const MixDraw& draw, at::Tensor& pictures);
// The targets of pictures that were mixed so, as shares [N, classes].
at::Tensor mixed_targets(const MixDraw& draw, const at::Tensor& class_ids, int64_t classes);

}  // namespace resnetft
