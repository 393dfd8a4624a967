// SPDX-License-Identifier: MIT
// A stretch of a run in which the same parts learn at one schedule: --head-epochs, then the rest.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "model/torch/resnet.h"
#include "train/torch/batch_source.h"
#include "train/torch/ema.h"
#include "train/torch/loss_scaler.h"
#include "train/torch/optimizer.h"
#include "train/torch/standardized_head.h"
#include "train/torch/step.h"

namespace resnetft {

struct Phase {
  Recipe recipe;             // of this phase: trainable, epochs and rate are its own
  uint32_t first_epoch = 0;  // epochs of the run before it
  uint32_t last_epoch() const { return first_epoch + recipe.epochs; }
};

// --head-epochs and what follows, in order; the last one may have no epochs.
std::vector<Phase> phases_of(const Recipe& recipe);

// What a phase needs while it runs.
struct PhaseParts {
  std::optional<StandardizedHead> head;  // where it learns on cached features
  std::unique_ptr<ParameterOptimizer> optimizer;
  std::optional<WeightAverage> average;
  std::optional<LossScaler> scaler;  // where gradients are float16
  std::unique_ptr<BatchSource> train;
  std::unique_ptr<BatchSource> validation;
};

}  // namespace resnetft
