// SPDX-License-Identifier: MIT
// The zoo's networks as torch::nn modules (He 2016a; Xie 2017; Zagoruyko 2016), with torchvision's names. Includes a
// part of LibTorch that costs seconds: for the torch module's sources only.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
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
  // Features [N, F] -> logits [N, num_classes].
  at::Tensor logits(const at::Tensor& features) const;
  // Both: [N, 3, H, W] -> [N, num_classes].
  at::Tensor forward(const at::Tensor& pictures) const { return logits(features(pictures)); }

  // Draws weights from the global generator, number by number as torchvision's constructors do (He 2015 with fan-out
  // for convolutions, uniform for the head), so that one seed gives one network in both.
  void draw_initial_weights();

 private:
  std::shared_ptr<Convolution> conv1_;
  std::shared_ptr<NormLayer> bn1_;
  bool pools_first_;
  std::vector<std::shared_ptr<ResidualBlock>> blocks_;
  std::shared_ptr<LinearHead> head_;
};

}  // namespace resnetft
