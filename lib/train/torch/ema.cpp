// SPDX-License-Identifier: MIT
#include "train/torch/ema.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

namespace resnetft {

double ema_keep(const Recipe& recipe, uint64_t t) {
  const double count = static_cast<double>(t);
  if (recipe.model_ema_decay < 0) return std::min(0.9998, (1 + count) / (10 + count));
  if (t == 0) return 0;
  const double images_of_a_step = static_cast<double>(recipe.batch_size) * recipe.grad_accum_steps;
  const double adjust = images_of_a_step * recipe.model_ema_steps / std::max<uint32_t>(1, recipe.epochs);
  return 1 - std::min(1.0, (1 - recipe.model_ema_decay) * adjust);
}

WeightAverage::WeightAverage(const std::map<std::string, at::Tensor>& source) {
  const c10::NoGradGuard no_grad;
  for (const auto& [name, tensor] : source) {
    sources_.push_back(tensor.detach());
    averages_.push_back(tensor.detach().clone());
    average_.emplace(name, averages_.back());
  }
}

void WeightAverage::update(double keep) {
  const c10::NoGradGuard no_grad;
  at::_foreach_mul_(averages_, keep);
  at::_foreach_add_(averages_, sources_, 1 - keep);
}

}  // namespace resnetft
