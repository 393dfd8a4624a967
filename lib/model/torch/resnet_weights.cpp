// SPDX-License-Identifier: MIT
#include "model/torch/resnet_weights.h"

#include <ATen/ATen.h>
#include <torch/utils.h>

#include <map>
#include <string>

#include "model/fit.h"

namespace resnetft {
namespace {

std::map<std::string, at::Tensor> named_tensors(const ResNet& net) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& item : net.named_parameters()) tensors.emplace(item.key(), item.value());
  for (const auto& item : net.named_buffers()) tensors.emplace(item.key(), item.value());
  return tensors;
}

Error misfit(const std::string& message) {
  return {ErrorCode::Incompatible, message, "name the architecture, class count and normalisation of the weights"};
}

}  // namespace

Status load_weights(ResNet& net, const FloatWeights& weights) {
  const torch::NoGradGuard no_grad;
  const std::map<std::string, at::Tensor> tensors = named_tensors(net);
  for (const auto& [name, tensor] : tensors) {
    const auto found = weights.find(name);
    if (found == weights.end()) return misfit("weights: there is no '" + name + "'");
    const FloatTensor& source = found->second;
    if (tensor.sizes() != at::IntArrayRef(source.shape) || tensor.numel() != static_cast<int64_t>(source.values.size()))
      return misfit("weights: '" + name + "' is " + shape_text(source.shape) + ", the network has " +
                    shape_text(tensor.sizes().vec()));
    // from_blob wants a mutable pointer and copy_ only reads.
    tensor.copy_(at::from_blob(const_cast<float*>(source.values.data()), source.shape, at::kFloat));
  }
  for (const auto& [name, tensor] : weights)
    if (!tensors.contains(name) && !name.ends_with(".num_batches_tracked"))
      return misfit("weights: the network has no '" + name + "'");
  return Status::success();
}

FloatWeights extract_weights(const ResNet& net) {
  FloatWeights weights;
  for (const auto& [name, tensor] : named_tensors(net)) {
    const at::Tensor plain = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
    const float* values = plain.const_data_ptr<float>();
    weights[name] = {tensor.sizes().vec(), std::vector<float>(values, values + plain.numel())};
  }
  return weights;
}

}  // namespace resnetft
