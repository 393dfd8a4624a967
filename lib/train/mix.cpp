// SPDX-License-Identifier: MIT
#include "train/mix.h"

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

void mix_picture(const MixDraw& draw, std::span<const float> before, std::span<float> picture, int64_t width) {
  const auto keep = static_cast<float>(draw.keep), give = static_cast<float>(1 - draw.keep);
  if (draw.kind == MixKind::Mixup)
    for (size_t i = 0; i < picture.size(); ++i) picture[i] = picture[i] * keep + before[i] * give;
  if (draw.kind != MixKind::CutMix || draw.x2 <= draw.x1) return;
  const auto values = static_cast<size_t>(3 * (draw.x2 - draw.x1));
  for (int64_t y = draw.y1; y < draw.y2; ++y) {
    const auto begin = static_cast<size_t>(3 * (y * width + draw.x1));
    std::ranges::copy(before.subspan(begin, values), picture.subspan(begin, values).begin());
  }
}

}  // namespace resnetft
