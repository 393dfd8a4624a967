// SPDX-License-Identifier: MIT
// Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) of a batch with itself, rolled by one, as torchvision does it.
// Pure functions of (seed, epoch, batch).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "train/recipe.h"

namespace resnetft {

enum class MixKind { None, Mixup, CutMix };

// `keep`: the share of the own picture, after the box was cut at the border. The box is [x1, x2) x [y1, y2).
struct MixDraw {
  MixKind kind = MixKind::None;
  double keep = 1;
  int64_t x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};

// With both alphas above 0, each is as likely.
MixDraw draw_mix(const Recipe& recipe, uint32_t epoch, uint32_t batch, int64_t width, int64_t height);

// Mixes `pictures` [N, C, H, W] in place and returns the targets as shares [N, classes].
at::Tensor apply_mix(const MixDraw& draw, at::Tensor& pictures, const at::Tensor& class_ids, int64_t classes);

}  // namespace resnetft
