// SPDX-License-Identifier: MIT
#include "train/torch/mix.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "data/augmentation.h"

namespace resnetft {
namespace {

constexpr uint32_t kMixStream = 2;

MixDraw cut_box(double keep, int64_t width, int64_t height, CounterRandom& random) {
  const int64_t x = random.below(static_cast<uint32_t>(width));
  const int64_t y = random.below(static_cast<uint32_t>(height));
  const double half = 0.5 * std::sqrt(1 - keep);
  const int64_t half_width = static_cast<int64_t>(half * static_cast<double>(width));
  const int64_t half_height = static_cast<int64_t>(half * static_cast<double>(height));
  MixDraw draw{MixKind::CutMix};
  draw.x1 = std::max<int64_t>(0, x - half_width);
  draw.y1 = std::max<int64_t>(0, y - half_height);
  draw.x2 = std::min(width, x + half_width);
  draw.y2 = std::min(height, y + half_height);
  const double area = static_cast<double>((draw.x2 - draw.x1) * (draw.y2 - draw.y1));
  draw.keep = 1 - area / static_cast<double>(width * height);
  return draw;
}

}  // namespace

MixDraw draw_mix(const Recipe& recipe, uint32_t epoch, uint32_t batch, int64_t width, int64_t height) {
  if (recipe.mixup_alpha <= 0 && recipe.cutmix_alpha <= 0) return {};
  CounterRandom random(recipe.seed, kMixStream, epoch, batch);
  const bool both = recipe.mixup_alpha > 0 && recipe.cutmix_alpha > 0;
  const bool cut = both ? random.below(2) == 1 : recipe.cutmix_alpha > 0;
  const double keep = random.beta(cut ? recipe.cutmix_alpha : recipe.mixup_alpha);
  return cut ? cut_box(keep, width, height, random) : MixDraw{MixKind::Mixup, keep};
}

at::Tensor apply_mix(const MixDraw& draw, at::Tensor& pictures, const at::Tensor& class_ids, int64_t classes) {
  const c10::NoGradGuard no_grad;
  const at::Tensor own = at::zeros({class_ids.size(0), classes}).scatter_(1, class_ids.unsqueeze(1), 1.0);
  if (draw.kind == MixKind::Mixup) {
    const at::Tensor others = pictures.roll({1}, {0});
    pictures.mul_(draw.keep).add_(others, 1 - draw.keep);
  } else if (draw.kind == MixKind::CutMix && draw.x2 > draw.x1 && draw.y2 > draw.y1) {
    at::Tensor box = pictures.slice(2, draw.y1, draw.y2).slice(3, draw.x1, draw.x2);
    box.copy_(box.roll({1}, {0}));
  }
  return own * draw.keep + own.roll({1}, {0}) * (1 - draw.keep);
}

}  // namespace resnetft
