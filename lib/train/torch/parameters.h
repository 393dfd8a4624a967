// SPDX-License-Identifier: MIT
// Which parts of a net learn, and how much: freezing, and groups of parameters.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/torch/resnet.h"
#include "train/recipe.h"
#include "train/torch/optimizer.h"

namespace resnetft {

// "bn1.weight", "layer1.0.downsample.1.bias" ...
bool is_normalization_tensor(std::string_view name);

// Sets requires_grad and the training mode of every part. What is frozen stays in evaluation mode, so that its running
// statistics keep their bits; with frozen normalisation its scale and shift keep theirs too, unless
// recipe.norm_train_affine. `recipe.trainable` is Head, Layer4 (the last stage) or All.
void freeze(ResNet& net, const Recipe& recipe, Normalization normalization);

// Puts the whole net into evaluation mode while it lives; then each module is back in its own mode.
class EvaluationMode {
 public:
  explicit EvaluationMode(ResNet& net);
  ~EvaluationMode();
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;

 private:
  std::vector<std::pair<std::shared_ptr<torch::nn::Module>, bool>> modes_;  // parents before children
};

// The parameters that learn, grouped by weight decay and share of the learning rate. Weight decay as in torchvision's
// set_weight_decay; the share of block i of n is layer_decay^(n - i), the stem counting as 0 and the head as n (BEiT,
// Bao et al. 2022).
std::vector<ParameterGroup> parameter_groups(const ResNet& net, const Recipe& recipe);

// Moves the net. On a GPU convolutions want their weights as pictures come, channels last, and would change them at
// each step.
void move_to(const at::Device& device, ResNet& net);

// Where the net's numbers are.
at::Device device_of(const ResNet& net);

// Parameters and buffers by name, without gradients: views.
std::map<std::string, at::Tensor> tensors_of(const ResNet& net);

}  // namespace resnetft
