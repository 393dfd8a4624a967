// SPDX-License-Identifier: MIT
// The zoo's networks as torch::nn modules (He 2016a; Xie 2017; Zagoruyko 2016), with torchvision's names. Includes a
// part of LibTorch that costs seconds: for the torch module's sources only.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/architecture.h"
#include "resnetft/model.h"

namespace resnetft {

class Convolution;
class NormLayer;
class ResidualBlock;
class LinearHead;

// Parameters are float32 and, until they are drawn or loaded, convolutions and the head hold no defined values.
// Forward passes in evaluation mode under at::InferenceMode are thread-safe. All functions throw as LibTorch does.
class ResNet : public torch::nn::Module {
 public:
  ResNet(const Architecture& architecture, int64_t num_classes, Normalization normalization);

  // Pictures [N, 3, H, W] -> pooled features [N, F].
  at::Tensor features(const at::Tensor& pictures) const;
  // features() in two parts, for a frozen trunk that is computed once: what the last stage (layer4; layer3 in the CIFAR
  // family) gets to see, [N, C, H, W], and the pooled features [N, F] that it makes of it.
  at::Tensor before_last_stage(const at::Tensor& pictures) const;
  at::Tensor last_stage(const at::Tensor& x) const;
  // Features [N, F] -> logits [N, num_classes].
  at::Tensor logits(const at::Tensor& features) const;
  // Both: [N, 3, H, W] -> [N, num_classes].
  at::Tensor forward(const at::Tensor& pictures) const { return logits(features(pictures)); }

  // Until it is called with 0, forward passes move the running statistics by `momentum` towards the batch's, in any
  // mode and with frozen normalisation too.
  void estimate_statistics(double momentum);

  // `hook` is called after the stem and after every block, forward and, where gradients flow on the CPU, backward,
  // always on the thread that calls: a device has its own for the backward pass. What it throws ends the pass.
  void set_pause_hook(std::function<void()> hook) { pause_hook_ = std::move(hook); }

  std::string last_stage_name() const { return last_stage_name_; }  // "layer4", "layer3"
  std::string head_name() const { return pools_first_ ? "fc" : "linear"; }

  // Draws weights from `generator`, or the global one, number by number as torchvision's constructors do (He 2015 with
  // fan-out for convolutions, uniform for the head), so that one seed gives one network in both.
  void draw_initial_weights(const std::optional<at::Generator>& generator = std::nullopt);

 private:
  const at::Tensor& paused(const at::Tensor& x) const;

  std::shared_ptr<Convolution> conv1_;
  std::shared_ptr<NormLayer> bn1_;
  bool pools_first_;
  std::vector<std::shared_ptr<ResidualBlock>> blocks_;
  size_t last_stage_begin_ = 0;  // its first block
  std::string last_stage_name_;
  std::shared_ptr<LinearHead> head_;
  std::function<void()> pause_hook_;
};

}  // namespace resnetft
