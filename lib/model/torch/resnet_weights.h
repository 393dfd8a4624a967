// SPDX-License-Identifier: MIT
// Between a module and plain named numbers.
#pragma once

#include "model/torch/resnet.h"
#include "resnetft/error.h"
#include "resnetft/model.h"

namespace resnetft {

// Copies the weights into the network. Incompatible, with the network half loaded, where a tensor is missing, unknown
// or of another shape; names the tensor and both shapes. Throws as LibTorch does.
Status load_weights(ResNet& net, const FloatWeights& weights);

// All parameters and running statistics of the network, as float32.
FloatWeights extract_weights(const ResNet& net);

}  // namespace resnetft
