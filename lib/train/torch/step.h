// SPDX-License-Identifier: MIT
// One step of training: gradients of one or more batches, then the optimiser.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "model/torch/resnet.h"
#include "train/torch/batch_source.h"
#include "train/torch/loss.h"
#include "train/torch/loss_scaler.h"
#include "train/torch/mix.h"
#include "train/torch/optimizer.h"
#include "train/torch/standardized_head.h"

namespace resnetft {

// Adds up each tensor over all processes that train together, in place; one process alone needs none. The last tensor
// is the count of pictures.
using AllReduce = std::function<void(std::span<at::Tensor> tensors)>;

// What the net makes of a stage's input.
at::Tensor logits_from(const ResNet& net, Stage stage, const at::Tensor& input);

struct StepSums {
  double loss = 0;  // over the pictures
  int64_t correct = 0;
  int64_t images = 0;
};

// What a step may use besides, borrowed.
struct StepParts {
  const StandardizedHead* head = nullptr;  // learns on standardised features
  LossScaler* scaler = nullptr;            // of gradients in float16
};

// For one thread. Throws as LibTorch does. Borrows net and optimizer.
class TrainStep {
 public:
  TrainStep(ResNet& net, ParameterOptimizer& optimizer, const Recipe& recipe, LossSpec loss, AllReduce all_reduce = {},
            const StepParts& parts = {});

  // Adds a batch's gradients. Where the loss is not finite, nothing is added and `loss` is what it is. A batch of one
  // picture is judged by the running statistics: one value has no variance.
  StepSums accumulate(Stage stage, TrainBatch batch, const MixDraw& mix);
  // Reduces, divides by the pictures, clips, and lets the optimiser step; with a scaler, only where every gradient is
  // finite.
  void apply(double learning_rate);
  // Forgets the gradients that accumulate() added.
  void abandon();

 private:
  StepSums by_autograd(Stage stage, const at::Tensor& input, const at::Tensor& targets, const at::Tensor& class_ids);
  StepSums in_closed_form(const at::Tensor& features, const at::Tensor& targets, const at::Tensor& class_ids);

  ResNet& net_;
  ParameterOptimizer& optimizer_;
  const Recipe& recipe_;
  LossSpec loss_;
  AllReduce all_reduce_;
  LossScaler* scaler_;
  bool sums_;  // gradients are sums over pictures until apply() divides them
  int64_t images_ = 0;
  int64_t classes_;
  at::Tensor head_weight_, head_bias_;
};

}  // namespace resnetft
