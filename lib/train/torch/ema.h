// SPDX-License-Identifier: MIT
// An exponential moving average of weights and floating buffers (Polyak and Juditsky 1992; torchvision's
// ExponentialMovingAverage).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "train/recipe.h"

namespace resnetft {

// What an averaging keeps of the average: with --model-ema-decay d, torchvision's 1 - min(1, (1 - d) * batch * steps /
// epochs), and 0 at the first; otherwise min(0.9998, (1 + t) / (10 + t)). `t` averagings came before.
double ema_keep(const Recipe& recipe, uint64_t t);

// For one thread. Throws as LibTorch does.
class WeightAverage {
 public:
  // Begins as a copy of `source`, whose tensors it reads at each update.
  explicit WeightAverage(const std::map<std::string, at::Tensor>& source);
  void update(double keep);
  const std::map<std::string, at::Tensor>& tensors() const { return average_; }

 private:
  std::map<std::string, at::Tensor> average_;
  std::vector<at::Tensor> sources_, averages_;  // in one order
};

}  // namespace resnetft
