// SPDX-License-Identifier: MIT
#include "train/torch/loss_scaler.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace resnetft {
namespace {

// GradScaler's defaults.
constexpr double kFirstScale = 65536, kGrowth = 2, kBackoff = 0.5;
constexpr int64_t kGrowthInterval = 2000;
constexpr double kLeastScale = 1.0 / 1024;

}  // namespace

LossScaler::LossScaler(const at::Device& device)
    : scale_(at::full({1}, kFirstScale, at::TensorOptions(device).dtype(at::kFloat))),
      good_steps_(at::zeros({1}, at::TensorOptions(device).dtype(at::kInt))) {}

at::Tensor LossScaler::scaled(const at::Tensor& loss) const { return loss * scale_; }

at::Tensor LossScaler::unscale(std::vector<at::Tensor>& gradients) {
  const c10::NoGradGuard no_grad;
  at::Tensor found_not_finite = at::zeros_like(scale_);
  if (!gradients.empty())
    at::_amp_foreach_non_finite_check_and_unscale_(gradients, found_not_finite,
                                                   scale_.to(at::kDouble).reciprocal().to(at::kFloat));
  at::_amp_update_scale_(scale_, good_steps_, found_not_finite, kGrowth, kBackoff, kGrowthInterval);
  before_last_ = std::move(last_);
  last_.emplace(scale_);
  return found_not_finite;
}

bool LossScaler::has_collapsed() const {
  const std::optional<HostCopy>& known = scale_.is_cpu() ? last_ : before_last_;
  return known && known->value().item<double>() < kLeastScale;
}

double LossScaler::scale() const { return scale_.item<double>(); }

NamedTensors LossScaler::state() const {
  return {{"scale", scale_.to(at::kCPU)}, {"good-steps", good_steps_.to(at::kCPU, at::kFloat)}};
}

void LossScaler::restore(const NamedTensors& state) {
  const c10::NoGradGuard no_grad;
  scale_.copy_(state.at("scale"));
  good_steps_.copy_(state.at("good-steps"));
}

}  // namespace resnetft
