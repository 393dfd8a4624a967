// SPDX-License-Identifier: MIT
#include "train/torch/parameters.h"

#include <ATen/ATen.h>

#include <cmath>
#include <utility>

namespace resnetft {
namespace {

bool is_bias(std::string_view name) { return name.ends_with(".bias"); }

double weight_decay_of(const Recipe& recipe, std::string_view name) {
  if (is_bias(name) && recipe.bias_weight_decay >= 0) return recipe.bias_weight_decay;
  if (is_normalization_tensor(name) && recipe.norm_weight_decay >= 0) return recipe.norm_weight_decay;
  return recipe.weight_decay;
}

// "layer3.1." of "layer3.1.conv2.weight"; empty for stem and head.
std::string block_of(const std::string& name) {
  if (!name.starts_with("layer")) return {};
  const size_t second = name.find('.', name.find('.') + 1);
  return name.substr(0, second + 1);
}

// 0 for the stem, then 1 for each block in order, then the head.
std::map<std::string, int> depths_of(const ResNet& net) {
  std::map<std::string, int> depth_of_block, depths;
  for (const auto& item : net.named_parameters())
    if (const std::string block = block_of(item.key()); !block.empty())
      depth_of_block.emplace(block, static_cast<int>(depth_of_block.size()) + 1);
  const int head = static_cast<int>(depth_of_block.size()) + 1;
  for (const auto& item : net.named_parameters()) {
    const std::string block = block_of(item.key());
    depths[item.key()] = !block.empty() ? depth_of_block.at(block) : item.key().starts_with(net.head_name()) ? head : 0;
  }
  return depths;
}

}  // namespace

bool is_normalization_tensor(std::string_view name) {
  return name.starts_with("bn") || name.find(".bn") != std::string_view::npos ||
         name.find(".downsample.1.") != std::string_view::npos;
}

void freeze(ResNet& net, const Recipe& recipe, Normalization normalization) {
  for (const auto& child : net.named_children()) {
    const bool head = child.key() == net.head_name(), last = child.key() == net.last_stage_name();
    const bool learns = recipe.trainable == Trainable::All || head || (recipe.trainable == Trainable::Layer4 && last);
    child.value()->train(learns);
    for (at::Tensor& parameter : child.value()->parameters()) parameter.set_requires_grad(learns);
  }
  if (normalization != Normalization::Frozen || recipe.norm_train_affine) return;
  for (auto& item : net.named_parameters())
    if (is_normalization_tensor(item.key())) item.value().set_requires_grad(false);
}

EvaluationMode::EvaluationMode(ResNet& net) {
  for (const std::shared_ptr<torch::nn::Module>& module : net.modules(/*include_self=*/false))
    modes_.emplace_back(module, module->is_training());
  net.eval();
}

// train() goes down to a module's children, whose own turn comes later.
EvaluationMode::~EvaluationMode() {
  for (const auto& [module, training] : modes_) module->train(training);
}

std::vector<ParameterGroup> parameter_groups(const ResNet& net, const Recipe& recipe) {
  const std::map<std::string, int> depths = depths_of(net);
  const int head = depths.at(net.head_name() + ".weight");
  std::map<std::pair<double, double>, ParameterGroup> groups;
  for (const auto& item : net.named_parameters()) {
    if (!item.value().requires_grad()) continue;
    const double decay = weight_decay_of(recipe, item.key());
    const double share = std::pow(recipe.layer_decay, head - depths.at(item.key()));
    ParameterGroup& group = groups[{decay, share}];
    group.weight_decay = decay;
    group.rate_share = share;
    group.names.push_back(item.key());
    group.parameters.push_back(item.value());
  }
  std::vector<ParameterGroup> list;
  for (auto& [key, group] : groups) list.push_back(std::move(group));
  return list;
}

void move_to(const at::Device& device, ResNet& net) {
  net.to(device);
  if (device.is_cpu()) return;
  for (at::Tensor& parameter : net.parameters())
    if (parameter.dim() == 4) parameter.set_data(parameter.detach().contiguous(at::MemoryFormat::ChannelsLast));
}

at::Device device_of(const ResNet& net) { return net.named_parameters()[net.head_name() + ".weight"].device(); }

std::map<std::string, at::Tensor> tensors_of(const ResNet& net) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& item : net.named_parameters()) tensors.emplace(item.key(), item.value().detach());
  for (const auto& item : net.named_buffers()) tensors.emplace(item.key(), item.value().detach());
  return tensors;
}

}  // namespace resnetft
