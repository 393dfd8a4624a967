// SPDX-License-Identifier: MIT
// One step of training: gradients of one or more batches, then the optimiser.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "model/torch/resnet.h"
#include "train/torch/batch_source.h"
#include "train/torch/loss.h"
#include "train/torch/loss_scaler.h"
#include "train/torch/mix.h"
#include "train/torch/optimizer.h"
#include "train/torch/standardized_head.h"
#include "train/torch/transfer.h"

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

// Of a batch; a device may still be at work on them.
class BatchSums {
 public:
  BatchSums() = default;  // of no picture
  explicit BatchSums(const StepSums& ready) : ready_(ready) {}
  // `mean_and_correct`: [2], the mean loss and the right answers.
  BatchSums(const at::Tensor& mean_and_correct, int64_t images) : ready_{.images = images}, coming_(mean_and_correct) {}
  // Waits for them, and for nothing that was queued later.
  StepSums value() const;

 private:
  StepSums ready_;
  std::optional<HostCopy> coming_;  // what is missing there
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

  // Adds a batch's gradients. Where the loss is not finite, nothing is added and `loss` is what it is; on a device, for
  // which nobody waits here, apply() leaves the step out. A batch of one picture is judged by the running statistics:
  // one value has no variance.
  BatchSums accumulate(Stage stage, TrainBatch batch, const MixDraw& mix);
  // Reduces, divides by the pictures, clips, and lets the optimiser step; with a scaler, only where every gradient is
  // finite.
  void apply(double learning_rate);
  // Forgets the gradients that accumulate() added.
  void abandon();

 private:
  BatchSums by_autograd(Stage stage, const at::Tensor& input, const at::Tensor& targets, const at::Tensor& class_ids);
  void note_not_finite(const at::Tensor& loss);
  BatchSums in_closed_form(const at::Tensor& features, const at::Tensor& targets, const at::Tensor& class_ids);

  ResNet& net_;
  ParameterOptimizer& optimizer_;
  const Recipe& recipe_;
  LossSpec loss_;
  AllReduce all_reduce_;
  LossScaler* scaler_;
  bool sums_;    // gradients are sums over pictures until apply() divides them
  double unit_;  // that the sums are counted in: a scaled loss must stay the size of a mean, which float16 holds
  int64_t images_ = 0;
  std::optional<at::Tensor> not_finite_;  // on a device: float32 [1], whether a loss of this step was so
  int64_t classes_;
  at::Tensor head_weight_, head_bias_;
};

}  // namespace resnetft
