// SPDX-License-Identifier: MIT
#include "train/torch/named_tensors.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstring>

namespace resnetft {

NamedTensors clone_all(const NamedTensors& tensors) {
  const c10::NoGradGuard no_grad;
  NamedTensors clones;
  for (const auto& [name, tensor] : tensors) clones.emplace(name, tensor.detach().clone());
  return clones;
}

void copy_all(const NamedTensors& src, const NamedTensors& dst) {
  const c10::NoGradGuard no_grad;
  std::vector<at::Tensor> from, to;
  for (const auto& [name, tensor] : dst) {
    from.push_back(src.at(name));
    to.push_back(tensor);
  }
  if (!to.empty()) at::_foreach_copy_(to, from);
}

bool all_finite(const NamedTensors& tensors) {
  const c10::NoGradGuard no_grad;
  // The sum of magnitudes is finite only if every value is; where one overflows, the values are looked at.
  std::vector<at::Tensor> sums;
  for (const auto& [name, tensor] : tensors) sums.push_back(tensor.abs().sum());
  if (sums.empty() || at::isfinite(at::stack(sums)).all().item<bool>()) return true;
  return std::ranges::all_of(tensors,
                             [](const auto& item) { return at::isfinite(item.second).all().template item<bool>(); });
}

NamedTensors on_cpu(const NamedTensors& tensors) {
  NamedTensors moved;
  for (const auto& [name, tensor] : tensors) moved.emplace(name, tensor.to(at::kCPU).contiguous());
  return moved;
}

FloatWeights to_float_weights(const NamedTensors& tensors) {
  FloatWeights weights;
  for (const auto& [name, tensor] : on_cpu(tensors)) {
    const float* values = tensor.const_data_ptr<float>();
    weights[name] = {tensor.sizes().vec(), std::vector<float>(values, values + tensor.numel())};
  }
  return weights;
}

void append_tensors(const NamedTensors& tensors, const std::string& prefix, std::vector<Tensor>& list) {
  for (const auto& [name, tensor] : tensors)
    list.push_back({std::string(prefix).append("/").append(name),
                    DType::F32,
                    tensor.sizes().vec(),
                    {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()}});
}

Status restore_tensors(const Weights& weights, const std::string& prefix, const NamedTensors& tensors) {
  const c10::NoGradGuard no_grad;
  for (const auto& [name, tensor] : tensors) {
    const std::string full = std::string(prefix).append("/").append(name);
    const auto found = std::ranges::find(weights.tensors, full, &Tensor::name);
    if (found == weights.tensors.end() || found->dtype != DType::F32 || tensor.sizes() != at::IntArrayRef(found->shape))
      return Error{ErrorCode::CorruptFile, "the checkpoint has no fitting tensor '" + full + "'",
                   "resume from an older checkpoint, or begin without --resume"};
    if (found->bytes.empty()) continue;
    const at::Tensor values = at::empty(found->shape);
    std::memcpy(values.mutable_data_ptr(), found->bytes.data(), found->bytes.size());
    tensor.copy_(values);
  }
  return Status::success();
}

bool has_prefix(const Weights& weights, const std::string& prefix) {
  return std::ranges::any_of(weights.tensors,
                             [&](const Tensor& tensor) { return tensor.name.starts_with(prefix + "/"); });
}

}  // namespace resnetft
