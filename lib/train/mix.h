// SPDX-License-Identifier: MIT
// Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) of a batch with itself, rolled by one, as torchvision does it.
// Pure functions of (seed, epoch, batch).
#pragma once

#include <cstdint>
#include <span>

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

// Mixes the picture before it in the batch into one, [H, W, 3] both; what mix_pictures() does to all of a batch.
void mix_picture(const MixDraw& draw, std::span<const float> before, std::span<float> picture, int64_t width);

}  // namespace resnetft
