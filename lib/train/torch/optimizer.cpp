// SPDX-License-Identifier: MIT
#include "train/torch/optimizer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace resnetft {
namespace {

// PyTorch's defaults.
constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;

bool is_adam(Optimizer kind) { return kind == Optimizer::Adam || kind == Optimizer::AdamW; }

std::vector<at::Tensor> zeros_like_all(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> zeros;
  for (const at::Tensor& tensor : tensors) zeros.push_back(at::zeros_like(tensor));
  return zeros;
}

}  // namespace

ParameterOptimizer::ParameterOptimizer(const Recipe& recipe, std::vector<ParameterGroup> groups)
    : kind_(recipe.opt), momentum_(recipe.momentum) {
  const c10::NoGradGuard no_grad;
  const at::Device device = groups.empty() ? at::Device(at::kCPU) : groups.front().parameters.at(0).device();
  steps_ = at::zeros({1}, at::TensorOptions(device));
  for (ParameterGroup& what : groups) {
    Group group{std::move(what), {}, {}};
    group.first = zeros_like_all(group.what.parameters);
    if (is_adam(kind_)) group.second = zeros_like_all(group.what.parameters);
    groups_.push_back(std::move(group));
  }
}

void ParameterOptimizer::step(double learning_rate, const std::optional<at::Tensor>& skip) {
  const c10::NoGradGuard no_grad;
  steps_.add_(1);
  if (skip) steps_.sub_(*skip);
  for (Group& group : groups_) step_group(group, learning_rate * group.what.rate_share, skip);
}

void ParameterOptimizer::step_group(Group& group, double rate, const std::optional<at::Tensor>& skip) {
  std::vector<at::Tensor> parameters, gradients, first, second;
  for (size_t i = 0; i < group.what.parameters.size(); ++i) {
    const at::Tensor& gradient = group.what.parameters[i].grad();
    if (!gradient.defined()) continue;
    parameters.push_back(group.what.parameters[i]);
    gradients.push_back(gradient.contiguous(parameters.back().suggest_memory_format()));  // the kernels go by memory
    first.push_back(group.first[i]);
    if (is_adam(kind_)) second.push_back(group.second[i]);
  }
  if (parameters.empty()) return;
  if (!is_adam(kind_)) {
    // The buffer begins at zero, which gives momentum * 0 + gradient: the same as is_first_step, and a resume needs no
    // flag.
    if (momentum_ == 0) first.clear();  // as the kernel wants it
    at::_fused_sgd_(parameters, gradients, first, group.what.weight_decay, momentum_, rate, /*dampening=*/0,
                    kind_ == Optimizer::SgdNesterov && momentum_ > 0, /*maximize=*/false, /*is_first_step=*/false,
                    /*grad_scale=*/{}, skip);
    return;
  }
  const std::vector<at::Tensor> steps(parameters.size(), steps_);
  if (kind_ == Optimizer::Adam)
    at::_fused_adam_(parameters, gradients, first, second, {}, steps, rate, kBeta1, kBeta2, group.what.weight_decay,
                     kEpsilon, /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{}, skip);
  else
    at::_fused_adamw_(parameters, gradients, first, second, {}, steps, rate, kBeta1, kBeta2, group.what.weight_decay,
                      kEpsilon, /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{}, skip);
}

void ParameterOptimizer::zero_gradients() {
  for (Group& group : groups_)
    for (at::Tensor& parameter : group.what.parameters) parameter.mutable_grad().reset();
}

std::vector<at::Tensor> ParameterOptimizer::gradients() const {
  std::vector<at::Tensor> gradients;
  for (const Group& group : groups_)
    for (const at::Tensor& parameter : group.what.parameters)
      if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  return gradients;
}

std::map<std::string, at::Tensor> ParameterOptimizer::state() const {
  std::map<std::string, at::Tensor> tensors = {{"steps", steps_}};
  for (const Group& group : groups_)
    for (size_t i = 0; i < group.what.names.size(); ++i) {
      tensors.emplace(group.what.names[i] + (is_adam(kind_) ? ".first" : ".momentum"), group.first[i]);
      if (is_adam(kind_)) tensors.emplace(group.what.names[i] + ".second", group.second[i]);
    }
  return tensors;
}

at::Tensor clip_gradients(const std::vector<at::Tensor>& gradients, double max_norm) {
  const c10::NoGradGuard no_grad;
  if (gradients.empty()) return at::zeros({});
  const at::Tensor norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients)));
  at::_foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp_max(1.0));
  return norm;
}

}  // namespace resnetft
