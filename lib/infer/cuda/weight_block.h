// SPDX-License-Identifier: MIT
// The weights of a net as the GPU takes them, in one block. Plain data, free of CUDA.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "device/frame_change.h"
#include "model/network.h"

namespace resnetft::cuda {

// In bytes from the block's beginning.
struct LayerOffsets {
  size_t weights = 0;
  size_t bias = 0;
};

struct WeightBlock {
  std::vector<uint8_t> bytes;
  std::vector<LayerOffsets> layers;  // one for each layer of the net; of those without weights, zeros
};

// Of convolutions, BatchNorm folded: weights [out, kernel, kernel, in / groups], channels padded as the input's are,
// and bias [out], both as `number`. Of the head floats: weights [features, classes] and bias [classes]. The errors of
// layer_weights(); Incompatible where a weight is too large for a half.
Result<WeightBlock> make_weight_block(const Network& network, const FloatWeights& weights, NumberType number);

}  // namespace resnetft::cuda
