// SPDX-License-Identifier: MIT
#include "train/torch/mix.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace resnetft {

void mix_pictures(const MixDraw& draw, at::Tensor& pictures) {
  const c10::NoGradGuard no_grad;
  if (draw.kind == MixKind::Mixup) {
    const at::Tensor others = pictures.roll({1}, {0});
    pictures.mul_(draw.keep).add_(others, 1 - draw.keep);
  } else if (draw.kind == MixKind::CutMix && draw.x2 > draw.x1 && draw.y2 > draw.y1) {
    at::Tensor box = pictures.slice(2, draw.y1, draw.y2).slice(3, draw.x1, draw.x2);
    box.copy_(box.roll({1}, {0}));
  }
}

at::Tensor mixed_targets(const MixDraw& draw, const at::Tensor& class_ids, int64_t classes) {
  const c10::NoGradGuard no_grad;
  const at::Tensor own = at::zeros({class_ids.size(0), classes}).scatter_(1, class_ids.unsqueeze(1), 1.0);
  return own * draw.keep + own.roll({1}, {0}) * (1 - draw.keep);
}

}  // namespace resnetft
