// SPDX-License-Identifier: MIT
// A ResNet as a flat list of layers with sizes and tensor names: what an inference engine compiles. Free of torch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/architecture.h"
#include "resnetft/error.h"
#include "resnetft/model.h"

namespace resnetft {

// OptionAShortcut: every second row and column, and half the missing channels as zeros on either side (He 2016a,
// section 4.2). GlobalAveragePool: the mean of each channel.
enum class LayerKind { Convolution, MaxPool, OptionAShortcut, GlobalAveragePool, Linear };

struct Extent {
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  auto operator<=>(const Extent&) const = default;
};

// Value 0 is the picture [3, height, width]; layer i makes value i + 1.
struct Layer {
  LayerKind kind = LayerKind::Convolution;
  int src = 0;        // the value that it reads
  int residual = -1;  // the value that is added before the ReLU, or -1
  bool relu = false;  // comes last
  int kernel = 1;     // square, as are stride and padding
  int stride = 1;
  int padding = 0;
  int groups = 1;
  Extent src_extent;
  Extent dst_extent;
  std::string weights;  // the prefix of its tensors: "layer1.0.conv1", "fc"; empty: it has none
  std::string norm;     // the prefix of the BatchNorm that follows a convolution: "layer1.0.bn1"
};

struct Network {
  std::vector<Layer> layers;  // the last two are the global average pool and the linear head
};

// The net of an architecture for pictures of this size. InvalidArgument: sides outside 32 to 16384, or no classes.
Result<Network> build_network(const Architecture& architecture, int width, int height, int64_t num_classes);

// Row-major weights [out, in / groups, kernel, kernel] and bias [out].
struct LayerWeights {
  std::vector<float> weights;
  std::vector<float> bias;
};

// What a layer multiplies by and adds. A BatchNorm is folded into its convolution, in double precision:
// w' = w gamma / sqrt(var + 1e-5), b' = beta - mean gamma / sqrt(var + 1e-5). An option-A shortcut is given as the 1x1
// convolution of the same stride that does the same. Incompatible: a tensor is missing or of another shape (named).
// Empty for layers without weights.
Result<LayerWeights> layer_weights(const Layer& layer, const FloatWeights& weights);

}  // namespace resnetft
