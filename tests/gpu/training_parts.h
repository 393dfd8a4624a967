// SPDX-License-Identifier: MIT
// A net that learns on LibTorch's device from one batch, again and again.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "model/torch/resnet.h"
#include "train/torch/loss_scaler.h"
#include "train/torch/parameters.h"
#include "train/torch/step.h"

namespace resnetft::testing {

struct TrainedShape {
  std::string architecture;
  int64_t side, batch, classes;
};

// The same weights and pictures wherever it learns.
class LearningNet {
 public:
  LearningNet(const TrainedShape& shape, Recipe recipe, const at::Device& device) : recipe_(std::move(recipe)) {
    recipe_.trainable = Trainable::All;
    net_ = std::make_shared<ResNet>(*find_architecture(shape.architecture), shape.classes, Normalization::Batch);
    net_->draw_initial_weights(at::detail::createCPUGenerator(1));
    net_->to(device);
    freeze(*net_, recipe_, Normalization::Batch);
    optimizer_.emplace(recipe_, parameter_groups(*net_, recipe_));
    if (recipe_.precision == TrainPrecision::Fp16) scaler_.emplace(device);
    step_.emplace(*net_, *optimizer_, recipe_, LossSpec{}, AllReduce{},
                  StepParts{.scaler = scaler_ ? &*scaler_ : nullptr});
    batch_.class_ids = at::arange(shape.batch, at::kLong).remainder(shape.classes);
    // Channels last, each class's pictures of another brightness.
    batch_.input = at::rand({shape.batch, shape.side, shape.side, 3}, at::detail::createCPUGenerator(2));
    batch_.input.add_(batch_.class_ids.to(at::kFloat).div(shape.classes).reshape({-1, 1, 1, 1}));
    batch_.input = batch_.input.permute({0, 3, 1, 2}).to(device);
  }

  // The mean loss before the step.
  double learn(double rate) {
    const StepSums sums = step_->accumulate(Stage::Pictures, batch_, {});
    step_->apply(rate);
    return sums.loss / static_cast<double>(sums.images);
  }

  const ResNet& net() const { return *net_; }

 private:
  Recipe recipe_;
  std::shared_ptr<ResNet> net_;
  std::optional<ParameterOptimizer> optimizer_;
  std::optional<LossScaler> scaler_;
  std::optional<TrainStep> step_;
  TrainBatch batch_;
};

}  // namespace resnetft::testing
