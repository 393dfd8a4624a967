// SPDX-License-Identifier: MIT
#include "infer/cuda/weight_block.h"

#include <cmath>
#include <cstring>
#include <string>

#include "device/cuda/number_bits.h"
#include "infer/cuda/steps.h"

namespace resnetft::cuda {
namespace {

constexpr size_t kAlignment = 256;  // what cudaMalloc gives

void store(NumberType number, float value, uint8_t* target) {
  const auto put = [&](auto stored) { std::memcpy(target, &stored, sizeof stored); };
  if (number == NumberType::Float32) return put(value);
  put(number == NumberType::Float16 ? half_of(value) : bfloat16_of(value));
}

// Appends `values` in their order; the place where they begin.
size_t append(std::vector<uint8_t>& bytes, const std::vector<float>& values, NumberType number) {
  const size_t begin = (bytes.size() + kAlignment - 1) / kAlignment * kAlignment;
  bytes.resize(begin + values.size() * bytes_of(number));
  uint8_t* target = bytes.data() + begin;
  for (const float value : values) {
    store(number, value, target);
    target += bytes_of(number);
  }
  return begin;
}

// From [out, in, y, x] to [out, y, x, in], with channels of zeros at the end.
std::vector<float> channels_last(const Layer& layer, const std::vector<float>& weights, NumberType number) {
  const int64_t in = layer.src_extent.channels / layer.groups, window = int64_t{layer.kernel} * layer.kernel;
  const int64_t stored = layer.groups == 1 ? stored_channels(in, number) : in;
  std::vector<float> result(static_cast<size_t>(layer.dst_extent.channels * window * stored));
  for (int64_t out = 0; out < layer.dst_extent.channels; ++out)
    for (int64_t c = 0; c < in; ++c)
      for (int64_t at = 0; at < window; ++at)
        result[static_cast<size_t>((out * window + at) * stored + c)] =
            weights[static_cast<size_t>((out * in + c) * window + at)];
  return result;
}

std::vector<float> transposed(const Layer& layer, const std::vector<float>& weights) {
  const size_t features = static_cast<size_t>(layer.src_extent.channels), classes = weights.size() / features;
  std::vector<float> result(weights.size());
  for (size_t row = 0; row < classes; ++row)
    for (size_t column = 0; column < features; ++column)
      result[column * classes + row] = weights[row * features + column];
  return result;
}

Status check_range(const Layer& layer, const LayerWeights& weights) {
  constexpr float kLargestHalf = 65504;
  for (const std::vector<float>* values : {&weights.weights, &weights.bias})
    for (const float value : *values)
      if (std::abs(value) > kLargestHalf)
        return Error{ErrorCode::Incompatible,
                     "a weight of layer '" + layer.weights + "' is " + std::to_string(value) +
                         " with its BatchNorm, more than fp16 holds",
                     "use precision bf16 or fp32"};
  return Status::success();
}

}  // namespace

Result<WeightBlock> make_weight_block(const Network& network, const FloatWeights& weights, NumberType number) {
  WeightBlock block;
  block.layers.resize(network.layers.size());
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& layer = network.layers[i];
    const bool is_head = layer.kind == LayerKind::Linear;
    if (layer.kind != LayerKind::Convolution && !is_head) continue;
    const Result<LayerWeights> plain = layer_weights(layer, weights);
    if (!plain) return plain.error();
    const NumberType stored = is_head ? NumberType::Float32 : number;
    if (stored == NumberType::Float16)
      if (Status status = check_range(layer, *plain); !status) return status.error();
    block.layers[i].weights =
        append(block.bytes, is_head ? transposed(layer, plain->weights) : channels_last(layer, plain->weights, number),
               stored);
    block.layers[i].bias = append(block.bytes, plain->bias, stored);
  }
  return block;
}

}  // namespace resnetft::cuda
