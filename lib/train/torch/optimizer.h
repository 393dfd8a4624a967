// SPDX-License-Identifier: MIT
// SGD, Nesterov, Adam and AdamW with PyTorch's formulas, over groups of parameters. ATen's fused kernels do the
// arithmetic: one pass over a tensor.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "train/recipe.h"

namespace resnetft {

// Parameters that share a weight decay and a share of the learning rate.
struct ParameterGroup {
  double weight_decay = 0;
  double rate_share = 1;
  std::vector<std::string> names;
  std::vector<at::Tensor> parameters;  // contiguous, or channels last
};

// Throws as LibTorch does. For one thread.
class ParameterOptimizer {
 public:
  ParameterOptimizer(const Recipe& recipe, std::vector<ParameterGroup> groups);

  // One step with the parameters' gradients; a parameter without one is left as it is. `skip`: float32 [1] beside them;
  // where it is 1 the device leaves the step out, for which nobody waits.
  void step(double learning_rate, const std::optional<at::Tensor>& skip = {});
  void zero_gradients();
  std::vector<at::Tensor> gradients() const;

  // What must be kept to go on: views, by "<parameter>.momentum", ".first", ".second" and "steps". Writing into them
  // restores a state.
  std::map<std::string, at::Tensor> state() const;

 private:
  struct Group;
  void step_group(Group& group, double rate, const std::optional<at::Tensor>& skip);

  struct Group {
    ParameterGroup what;
    std::vector<at::Tensor> first;   // momentum, or Adam's first moment
    std::vector<at::Tensor> second;  // Adam's second moment
  };
  Optimizer kind_;
  double momentum_;
  std::vector<Group> groups_;
  at::Tensor steps_;  // float32 [1] beside the parameters, as the fused kernels want it; exact up to 2^24
};

// Scales gradients so that the norm of all of them is at most `max_norm`, as clip_grad_norm_. Returns the norm before,
// a scalar beside them.
at::Tensor clip_gradients(const std::vector<at::Tensor>& gradients, double max_norm);

}  // namespace resnetft
