// SPDX-License-Identifier: MIT
// float16 holds no gradient below 6e-8: the loss is scaled up before the backward pass, its gradients down afterwards
// (Micikevicius et al. 2018, section 3.2), with the rules of torch.amp.GradScaler.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "train/torch/named_tensors.h"
#include "train/torch/transfer.h"

namespace resnetft {

// For one thread. Throws as LibTorch does.
class LossScaler {
 public:
  explicit LossScaler(const at::Device& device);

  at::Tensor scaled(const at::Tensor& loss) const;
  // Divides the gradients by the scale. Gives float32 [1], beside them: 1 where one of them is not finite, else 0. With
  // 1 the step must be left out, and the scale was halved. After 2,000 steps on end without, it is doubled.
  at::Tensor unscale(std::vector<at::Tensor>& gradients);

  double scale() const;
  // Whether it was halved so far down that gradients which are not finite owe it to something else. On a device this is
  // known one step later: it waits for no step under way.
  bool has_collapsed() const;

  // What must be kept to go on; restore() takes it back.
  NamedTensors state() const;
  void restore(const NamedTensors& state);

 private:
  at::Tensor scale_;                            // float32 [1]
  at::Tensor good_steps_;                       // int32 [1], since the scale last changed
  std::optional<HostCopy> last_, before_last_;  // scales after unscale()
};

}  // namespace resnetft
