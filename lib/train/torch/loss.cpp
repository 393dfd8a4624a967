// SPDX-License-Identifier: MIT
#include "train/torch/loss.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

namespace resnetft {
namespace {

constexpr double kEffectiveBeta = 0.999;

double raw_weight(ClassWeights kind, size_t count) {
  const double n = static_cast<double>(count);
  if (kind == ClassWeights::Inverse) return 1 / n;
  return (1 - kEffectiveBeta) / (1 - std::pow(kEffectiveBeta, n));
}

// q of the closed form, [N, C], and what the mean divides by.
struct WeighedTargets {
  at::Tensor shares;
  at::Tensor divisor;
};

WeighedTargets weighed_targets(const at::Tensor& logits, const at::Tensor& targets, const LossSpec& spec) {
  const int64_t classes = logits.size(1);
  const bool soft = targets.is_floating_point();
  at::Tensor shares = soft ? targets : at::zeros_like(logits).scatter_(1, targets.unsqueeze(1), 1.0);
  at::Tensor divisor = at::scalar_tensor(static_cast<double>(logits.size(0)));
  if (!soft && spec.class_weights.defined()) divisor = spec.class_weights.index_select(0, targets).sum();
  if (spec.label_smoothing > 0)
    shares = shares * (1 - spec.label_smoothing) + spec.label_smoothing / static_cast<double>(classes);
  if (spec.class_weights.defined()) shares = shares * spec.class_weights;
  return {shares, divisor};
}

}  // namespace

std::vector<float> class_weights(ClassWeights kind, std::span<const size_t> counts) {
  if (kind == ClassWeights::None) return {};
  double sum = 0, present = 0;
  for (const size_t count : counts) {
    if (count == 0) continue;
    sum += raw_weight(kind, count);
    ++present;
  }
  std::vector<float> weights;
  for (const size_t count : counts)
    weights.push_back(count == 0 ? 1.0f : static_cast<float>(raw_weight(kind, count) * present / sum));
  return weights;
}

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets, const LossSpec& spec) {
  const std::optional<at::Tensor> weights =
      spec.class_weights.defined() ? std::optional<at::Tensor>(spec.class_weights) : std::nullopt;
  constexpr int64_t kIgnoreNone = -100;
  return at::cross_entropy_loss(logits, targets, weights, at::Reduction::Mean, kIgnoreNone, spec.label_smoothing);
}

HeadGradients head_gradients(const at::Tensor& features, const at::Tensor& weight, const at::Tensor& bias,
                             const at::Tensor& targets, const LossSpec& spec) {
  const c10::NoGradGuard no_grad;
  HeadGradients result;
  result.logits = at::addmm(bias, features, weight.t());
  const at::Tensor log_shares = at::log_softmax(result.logits, 1);
  if (!targets.is_floating_point() && !spec.class_weights.defined() && spec.label_smoothing == 0) {
    // The usual case in fewer passes: subtract 1 at the true class.
    const double scale = 1.0 / static_cast<double>(features.size(0));
    const at::Tensor column = targets.unsqueeze(1);
    result.loss = log_shares.gather(1, column).sum().mul_(-scale);
    at::Tensor slope = log_shares.exp();
    slope.scatter_add_(1, column, at::full_like(column, -1.0, at::kFloat)).mul_(scale);
    result.weight = at::mm(slope.t(), features);
    result.bias = slope.sum(0);
    return result;
  }
  const WeighedTargets wanted = weighed_targets(result.logits, targets, spec);
  result.loss = (wanted.shares * log_shares).sum().neg().div_(wanted.divisor);
  const at::Tensor slope = (log_shares.exp() * wanted.shares.sum(1, true) - wanted.shares).div_(wanted.divisor);
  result.weight = at::mm(slope.t(), features);
  result.bias = slope.sum(0);
  return result;
}

}  // namespace resnetft
