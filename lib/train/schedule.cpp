// SPDX-License-Identifier: MIT
// Learning rates as pure functions of the step, so that a resume has nothing to restore.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "train/recipe.h"

namespace resnetft {
namespace {

constexpr double kWarmUpFrom = 0.01;  // torchvision's --lr-warmup-decay
// OneCycleLR's defaults.
constexpr double kRisingShare = 0.3;
constexpr double kInitialDivisor = 25;
constexpr double kFinalDivisor = 1e4;

double half_cosine(double from, double to, double share) {
  return to + (from - to) / 2 * (1 + std::cos(std::numbers::pi * share));
}

double one_cycle(const Recipe& recipe, double step, double steps, double warm_up) {
  const double initial = recipe.lr / kInitialDivisor;
  const double rising = std::min(warm_up > 0 ? warm_up : kRisingShare * steps, steps) - 1;
  if (step <= rising) return half_cosine(initial, recipe.lr, rising > 0 ? step / rising : 1);
  const double falling = std::max(1.0, steps - 1 - rising);
  return half_cosine(recipe.lr, initial / kFinalDivisor, std::min(1.0, (step - rising) / falling));
}

}  // namespace

double learning_rate(const Recipe& recipe, uint64_t step, uint64_t steps_per_epoch) {
  const double each = static_cast<double>(steps_per_epoch), now = static_cast<double>(step);
  const double steps = each * recipe.epochs;
  const double warm_up = std::min(std::round(recipe.lr_warmup_epochs * each), steps);
  if (recipe.lr_scheduler == LrScheduler::OneCycle) return one_cycle(recipe, now, steps, warm_up);
  if (now < warm_up) return recipe.lr * (kWarmUpFrom + (1 - kWarmUpFrom) * now / warm_up);
  const double since = now - warm_up;
  switch (recipe.lr_scheduler) {
    case LrScheduler::Cosine:
      return half_cosine(recipe.lr, recipe.lr_min, since / std::max(1.0, steps - warm_up));
    case LrScheduler::Step: {
      const double step_size = recipe.lr_step_size > 0 ? recipe.lr_step_size : 30;
      // A hair above, so that a step size like 0.1 epochs of 30 steps begins with the step that it names.
      return recipe.lr * std::pow(recipe.lr_gamma, std::floor(since / (step_size * each) + 1e-9));
    }
    default:
      return recipe.lr;
  }
}

double plateau_factor(const Recipe& recipe, std::span<const double> metric, bool lower_is_better) {
  constexpr double kThreshold = 1e-4;
  const double patience = recipe.lr_step_size > 0 ? recipe.lr_step_size : 5;
  double factor = 1, bad = 0, best = 0;
  for (size_t i = 0; i < metric.size(); ++i) {
    const bool gain =
        i == 0 || (lower_is_better ? metric[i] < best * (1 - kThreshold) : metric[i] > best * (1 + kThreshold));
    best = gain ? metric[i] : best;
    bad = gain ? 0 : bad + 1;
    if (bad <= patience) continue;
    factor *= recipe.lr_gamma;
    bad = 0;
  }
  return std::max(factor, recipe.lr > 0 ? std::min(1.0, recipe.lr_min / recipe.lr) : 0.0);
}

}  // namespace resnetft
