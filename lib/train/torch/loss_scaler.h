// SPDX-License-Identifier: MIT
// float16 holds no gradient below 6e-8: the loss is scaled up before the backward pass, its gradients down afterwards
// (Micikevicius et al. 2018, section 3.2), with the rules of torch.amp.GradScaler.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "train/torch/named_tensors.h"

namespace resnetft {

// For one thread. Throws as LibTorch does.
class LossScaler {
 public:
  explicit LossScaler(const at::Device& device);

  at::Tensor scaled(const at::Tensor& loss) const;
  // Divides the gradients by the scale. False where one of them is not finite: the step must be left out, and the scale
  // is halved. After 2,000 steps on end without, it is doubled.
  bool unscale(std::vector<at::Tensor>& gradients);

  double scale() const;
  // Whether it was halved so far down that gradients which are not finite owe it to something else.
  bool has_collapsed() const { return collapsed_; }

  // What must be kept to go on; restore() takes it back.
  NamedTensors state() const;
  void restore(const NamedTensors& state);

 private:
  at::Tensor scale_;       // float32 [1]
  at::Tensor good_steps_;  // int32 [1], since the scale last changed
  bool collapsed_ = false;
};

}  // namespace resnetft
