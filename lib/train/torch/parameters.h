// SPDX-License-Identifier: MIT
// Which parts of a net learn, and how much: freezing, and groups of parameters.
#pragma once

#include <map>
#include <string>
#include <string_view>
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

// The parameters that learn, grouped by weight decay and share of the learning rate. Weight decay as in torchvision's
// set_weight_decay; the share of block i of n is layer_decay^(n - i), the stem counting as 0 and the head as n (BEiT,
// Bao et al. 2022).
std::vector<ParameterGroup> parameter_groups(const ResNet& net, const Recipe& recipe);

// Parameters and buffers by name, without gradients: views.
std::map<std::string, at::Tensor> tensors_of(const ResNet& net);

}  // namespace resnetft
