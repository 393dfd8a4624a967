// SPDX-License-Identifier: MIT
// A net of the zoo as a flat list of layers, for engines that know nothing of modules. Free of torch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/architecture.h"
#include "resnetft/error.h"
#include "resnetft/model.h"

namespace resnetft {

// One layer; value 0 is the input picture, value i + 1 what layers[i] makes: [N, channels, height, width].
struct Layer {
  enum class Kind { Convolution, MaxPool };
  Kind kind = Kind::Convolution;
  int source = 0;     // the value that it reads
  int residual = -1;  // the value that is added before ReLU, or none
  bool relu = false;
  int64_t in_channels = 0, channels = 0, height = 0, width = 0;
  int64_t kernel = 1, stride = 1, padding = 0, groups = 1;
  std::string convolution;    // its weight's name without ".weight"; empty: an option-A shortcut (identity)
  std::string normalization;  // the name of the batch normalisation behind it
};

// Behind the last layer: the mean over height and width, [N, features], and the head, [N, num_classes].
struct Network {
  std::vector<Layer> layers;
  std::string head;  // "fc" or "linear"
  int64_t features = 0;
  int64_t num_classes = 0;
};

// InvalidArgument for an input below 32 pixels on a side.
Result<Network> build_network(const Architecture& architecture, int64_t num_classes, int64_t height, int64_t width);

// A convolution with its batch normalisation folded in: weight [out, in / groups, kernel, kernel], bias [out].
// Folding is done in double precision with epsilon 1e-5.
struct FoldedConvolution {
  std::vector<float> weight, bias;
};
FoldedConvolution fold(const Layer& layer, const FloatWeights& weights);

}  // namespace resnetft
