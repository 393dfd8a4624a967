// SPDX-License-Identifier: MIT
// A head that learns on cached features of mean 0 and deviation 1. The features of a trained net lie far from 0 and
// differ in size, which makes gradient descent on them slow (LeCun et al. 1998, "Efficient BackProp", section 4.3); a
// linear head takes both into its weights, so that the net gets the plain features as ever.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/torch/resnet.h"
#include "train/torch/features.h"
#include "train/torch/named_tensors.h"
#include "train/torch/optimizer.h"

namespace resnetft {

// What was taken out of the features, [F] each, and a bound for how fast the gradient of the loss on them changes: half
// the largest eigenvalue of their second moment, of the bias's constant too (Boehning 1992 for the half).
struct FeatureScale {
  at::Tensor mean, deviation;  // float64
  double smoothness = 0;       // L
};

// Brings each column of the rows to mean 0 and deviation 1, in place; one that hardly varies is not blown up.
FeatureScale standardize(FeatureRows& rows);

// Learns on the CPU, wherever the net is. Borrows the net. For one thread; throws as LibTorch does.
class StandardizedHead {
 public:
  // Gives on standardised features the logits that the net's head gives on plain ones.
  StandardizedHead(ResNet& net, FeatureScale scale);

  const at::Tensor& weight() const { return weight_; }
  const at::Tensor& bias() const { return bias_; }
  // 1 / L: gradient descent cannot overshoot.
  double safe_rate() const { return 1 / scale_.smoothness; }

  // Learns in the place of the net's own head.
  void replace_in(std::vector<ParameterGroup>& groups) const;
  // The net's head becomes what was learned, for plain features.
  void write_to_net() const;
  // What a resume needs, for the head in the net is rounded once more: views.
  NamedTensors state() const { return {{"weight", weight_.detach()}, {"bias", bias_.detach()}}; }

 private:
  FeatureScale scale_;
  std::string name_;  // of the net's head
  at::Tensor net_weight_, net_bias_;
  at::Tensor weight_, bias_;
};

}  // namespace resnetft
