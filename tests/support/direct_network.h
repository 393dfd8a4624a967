// SPDX-License-Identifier: MIT
// A net computed as its definition says, in double precision and as slowly: what fast engines are proved against.
// Convolution, BatchNorm, sum and ReLU stay apart.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "model/network.h"
#include "tests/support/tiny_model.h"

namespace resnetft::testing {

using Values = std::vector<double>;  // [channels, height, width]

inline size_t size_of(const Extent& extent) {
  return static_cast<size_t>(extent.channels * extent.height * extent.width);
}

// Calls `visit(filter element, source element)` for each pair under the window at output (y, x).
template <class Visit>
void under_window(const Layer& layer, int64_t y, int64_t x, Visit&& visit) {
  for (int64_t ky = 0; ky < layer.kernel; ++ky)
    for (int64_t kx = 0; kx < layer.kernel; ++kx) {
      const int64_t sy = y * layer.stride - layer.padding + ky, sx = x * layer.stride - layer.padding + kx;
      const bool inside = sy >= 0 && sx >= 0 && sy < layer.src_extent.height && sx < layer.src_extent.width;
      if (inside)
        visit(static_cast<size_t>(ky * layer.kernel + kx), static_cast<size_t>(sy * layer.src_extent.width + sx));
    }
}

inline Values direct_convolution(const Layer& layer, const Values& src, const std::vector<float>& filters) {
  const size_t plane = static_cast<size_t>(layer.src_extent.height * layer.src_extent.width);
  const size_t window = static_cast<size_t>(layer.kernel * layer.kernel);
  const int64_t group_in = layer.src_extent.channels / layer.groups;
  const int64_t group_out = layer.dst_extent.channels / layer.groups;
  Values dst;
  for (int64_t c = 0; c < layer.dst_extent.channels; ++c)
    for (int64_t y = 0; y < layer.dst_extent.height; ++y)
      for (int64_t x = 0; x < layer.dst_extent.width; ++x) {
        double sum = 0;
        under_window(layer, y, x, [&](size_t in_window, size_t in_plane) {
          for (int64_t i = 0; i < group_in; ++i)
            sum += filters[static_cast<size_t>(c * group_in + i) * window + in_window] *
                   src[static_cast<size_t>(c / group_out * group_in + i) * plane + in_plane];
        });
        dst.push_back(sum);
      }
  return dst;
}

inline Values direct_batch_norm(Values values, const std::string& norm, const FloatWeights& weights) {
  const auto part = [&](const char* name) -> const std::vector<float>& {
    return weights.find(norm + name)->second.values;
  };
  const size_t channels = part(".weight").size(), plane = values.size() / channels;
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t c = i / plane;
    values[i] =
        (values[i] - part(".running_mean")[c]) / std::sqrt(part(".running_var")[c] + 1e-5) * part(".weight")[c] +
        part(".bias")[c];
  }
  return values;
}

inline Values direct_max_pool(const Layer& layer, const Values& src) {
  const size_t plane = static_cast<size_t>(layer.src_extent.height * layer.src_extent.width);
  Values dst;
  for (size_t c = 0; c < static_cast<size_t>(layer.dst_extent.channels); ++c)
    for (int64_t y = 0; y < layer.dst_extent.height; ++y)
      for (int64_t x = 0; x < layer.dst_extent.width; ++x) {
        double largest = -std::numeric_limits<double>::infinity();
        under_window(layer, y, x,
                     [&](size_t, size_t in_plane) { largest = std::max(largest, src[c * plane + in_plane]); });
        dst.push_back(largest);
      }
  return dst;
}

inline Values direct_option_a(const Layer& layer, const Values& src) {
  Values dst(size_of(layer.dst_extent), 0.0);
  const int64_t first = (layer.dst_extent.channels - layer.src_extent.channels) / 2;
  for (int64_t c = 0; c < layer.src_extent.channels; ++c)
    for (int64_t y = 0; y < layer.dst_extent.height; ++y)
      for (int64_t x = 0; x < layer.dst_extent.width; ++x)
        dst[static_cast<size_t>(((first + c) * layer.dst_extent.height + y) * layer.dst_extent.width + x)] =
            src[static_cast<size_t>((c * layer.src_extent.height + 2 * y) * layer.src_extent.width + 2 * x)];
  return dst;
}

inline Values direct_mean(const Layer& layer, const Values& src) {
  const size_t channels = static_cast<size_t>(layer.src_extent.channels), plane = src.size() / channels;
  Values dst(channels, 0.0);
  for (size_t i = 0; i < src.size(); ++i) dst[i / plane] += src[i] / static_cast<double>(plane);
  return dst;
}

inline Values direct_linear(const Layer& layer, const Values& src, const FloatWeights& weights) {
  const std::vector<float>& matrix = weights.find(layer.weights + ".weight")->second.values;
  Values dst;
  for (const float bias : weights.find(layer.weights + ".bias")->second.values) {
    double sum = bias;
    for (size_t i = 0; i < src.size(); ++i) sum += matrix[dst.size() * src.size() + i] * src[i];
    dst.push_back(sum);
  }
  return dst;
}

inline Values direct_layer(const Layer& layer, const Values& src, const FloatWeights& weights) {
  switch (layer.kind) {
    case LayerKind::Convolution:
      return direct_batch_norm(direct_convolution(layer, src, weights.find(layer.weights + ".weight")->second.values),
                               layer.norm, weights);
    case LayerKind::MaxPool:
      return direct_max_pool(layer, src);
    case LayerKind::OptionAShortcut:
      return direct_option_a(layer, src);
    case LayerKind::GlobalAveragePool:
      return direct_mean(layer, src);
    case LayerKind::Linear:
      break;
  }
  return direct_linear(layer, src, weights);
}

struct DirectResult {
  Values embedding;
  Values logits;
};

// `picture` is [3, height, width].
inline DirectResult run_directly(const Network& network, const FloatWeights& weights, const Values& picture) {
  std::vector<Values> values = {picture};
  for (const Layer& layer : network.layers) {
    Values value = direct_layer(layer, values[static_cast<size_t>(layer.src)], weights);
    for (size_t i = 0; i < value.size(); ++i) {
      if (layer.residual >= 0) value[i] += values[static_cast<size_t>(layer.residual)][i];
      if (layer.relu) value[i] = std::max(value[i], 0.0);
    }
    values.push_back(std::move(value));
  }
  return {values[values.size() - 2], values.back()};
}

// random_weights() with a BatchNorm that does something: scales of 0.5 to 1, shifts, means and variances.
inline FloatWeights trained_weights(std::string_view architecture, int64_t num_classes, unsigned seed) {
  FloatWeights weights = random_weights(architecture, num_classes, seed);
  std::mt19937 random(seed);
  for (auto& [name, tensor] : weights) {
    if (!name.ends_with(".running_mean")) continue;
    const std::string norm = name.substr(0, name.rfind('.'));
    const auto draw = [&](const char* part, float low, float high) {
      std::uniform_real_distribution<float> uniform(low, high);
      for (float& value : weights[norm + part].values) value = uniform(random);
    };
    draw(".weight", 0.5f, 1.0f);
    draw(".bias", -0.2f, 0.2f);
    draw(".running_mean", -0.2f, 0.2f);
    draw(".running_var", 0.5f, 2.0f);
  }
  return weights;
}

}  // namespace resnetft::testing
