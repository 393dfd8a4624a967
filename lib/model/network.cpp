// SPDX-License-Identifier: MIT
#include "model/network.h"

#include <cmath>

#include "model/fit.h"
#include "model/normalization.h"

namespace resnetft {
namespace {

constexpr int kSmallestSide = 32;
constexpr int kLargestSide = 16384;

int64_t reduced(int64_t size, int kernel, int stride, int padding) {
  return (size + 2 * padding - kernel) / stride + 1;
}

// Appends layers; each function returns the number of the value that its layer makes.
class Builder {
 public:
  Builder(int width, int height) : extents_{{3, height, width}} {}

  int convolution(int src, const std::string& weights, const std::string& norm, int64_t channels, int kernel,
                  int stride, int groups = 1) {
    Layer layer;
    layer.kind = LayerKind::Convolution;
    layer.kernel = kernel;
    layer.stride = stride;
    layer.padding = kernel / 2;
    layer.groups = groups;
    layer.weights = weights;
    layer.norm = norm;
    return append(std::move(layer), src, channels);
  }

  int max_pool(int src) {
    Layer layer;
    layer.kind = LayerKind::MaxPool;
    layer.kernel = 3;
    layer.stride = 2;
    layer.padding = 1;
    return append(std::move(layer), src, extent(src).channels);
  }

  int option_a_shortcut(int src, int64_t channels) {
    Layer layer;
    layer.kind = LayerKind::OptionAShortcut;
    layer.stride = 2;
    return append(std::move(layer), src, channels);
  }

  void head(int src, const std::string& weights, int64_t num_classes) {
    Layer pool;
    pool.kind = LayerKind::GlobalAveragePool;
    const int pooled = append(std::move(pool), src, extent(src).channels);
    network_.layers.back().dst_extent.height = network_.layers.back().dst_extent.width = 1;
    extents_.back() = network_.layers.back().dst_extent;
    Layer linear;
    linear.kind = LayerKind::Linear;
    linear.weights = weights;
    append(std::move(linear), pooled, num_classes);
  }

  void relu() { network_.layers.back().relu = true; }
  void add(int residual) { network_.layers.back().residual = residual; }
  const Extent& extent(int value) const { return extents_[static_cast<size_t>(value)]; }
  Network take() { return std::move(network_); }

 private:
  int append(Layer layer, int src, int64_t channels) {
    layer.src = src;
    layer.src_extent = extent(src);
    layer.dst_extent = {channels, reduced(layer.src_extent.height, layer.kernel, layer.stride, layer.padding),
                        reduced(layer.src_extent.width, layer.kernel, layer.stride, layer.padding)};
    extents_.push_back(layer.dst_extent);
    network_.layers.push_back(std::move(layer));
    return static_cast<int>(extents_.size()) - 1;
  }

  std::vector<Extent> extents_;
  Network network_;
};

// The shortcut of a block whose output has `channels` at this stride: the input itself, where that fits.
int append_shortcut(Builder& builder, const Architecture& architecture, const std::string& block, int src,
                    int64_t channels, int stride) {
  if (stride == 1 && builder.extent(src).channels == channels) return src;
  if (architecture.block == BlockKind::Cifar) return builder.option_a_shortcut(src, channels);
  return builder.convolution(src, block + ".downsample.0", block + ".downsample.1", channels, 1, stride);
}

int append_block(Builder& builder, const Architecture& architecture, const std::string& block, int src, int64_t planes,
                 int stride) {
  const bool bottleneck = architecture.block == BlockKind::Bottleneck;
  const int64_t channels = bottleneck ? planes * 4 : planes;
  const int64_t width = planes * architecture.width_per_group / 64 * architecture.groups;
  const int residual = append_shortcut(builder, architecture, block, src, channels, stride);
  int value = bottleneck ? builder.convolution(src, block + ".conv1", block + ".bn1", width, 1, 1)
                         : builder.convolution(src, block + ".conv1", block + ".bn1", planes, 3, stride);
  builder.relu();
  if (bottleneck) {
    value = builder.convolution(value, block + ".conv2", block + ".bn2", width, 3, stride, architecture.groups);
    builder.relu();
    value = builder.convolution(value, block + ".conv3", block + ".bn3", channels, 1, 1);
  } else {
    value = builder.convolution(value, block + ".conv2", block + ".bn2", planes, 3, 1);
  }
  builder.add(residual);
  builder.relu();
  return value;
}

Result<const std::vector<float>*> find(const FloatWeights& weights, const std::string& name,
                                       const std::vector<int64_t>& shape) {
  const auto found = weights.find(name);
  if (found == weights.end())
    return Error{ErrorCode::Incompatible, "the weights have no tensor '" + name + "' (" + shape_text(shape) + ")",
                 "name the architecture that the file was trained with"};
  if (found->second.shape != shape)
    return Error{
        ErrorCode::Incompatible,
        "tensor '" + name + "' is " + shape_text(found->second.shape) + ", the architecture needs " + shape_text(shape),
        "name the architecture and the number of classes that the file was trained with"};
  return &found->second.values;
}

// What BatchNorm multiplies by and adds, a pair for each channel.
struct ScaleAndShift {
  std::vector<double> scale;
  std::vector<double> shift;
};

Result<ScaleAndShift> batch_norm(const std::string& norm, int64_t channels, const FloatWeights& weights) {
  const std::vector<float>* parts[4] = {};
  const char* const names[4] = {".weight", ".bias", ".running_mean", ".running_var"};
  for (size_t i = 0; i < 4; ++i) {
    const Result<const std::vector<float>*> part = find(weights, norm + names[i], {channels});
    if (!part) return part.error();
    parts[i] = *part;
  }
  ScaleAndShift result;
  for (size_t c = 0; c < static_cast<size_t>(channels); ++c) {
    const double scale = (*parts[0])[c] / std::sqrt(static_cast<double>((*parts[3])[c]) + kNormalizationEpsilon);
    result.scale.push_back(scale);
    result.shift.push_back((*parts[1])[c] - (*parts[2])[c] * scale);
  }
  return result;
}

Result<LayerWeights> folded_convolution(const Layer& layer, const FloatWeights& weights) {
  const int64_t out = layer.dst_extent.channels;
  const Result<const std::vector<float>*> kernel = find(
      weights, layer.weights + ".weight", {out, layer.src_extent.channels / layer.groups, layer.kernel, layer.kernel});
  if (!kernel) return kernel.error();
  const Result<ScaleAndShift> norm = batch_norm(layer.norm, out, weights);
  if (!norm) return norm.error();
  LayerWeights folded{**kernel, {}};
  const size_t filter = folded.weights.size() / static_cast<size_t>(out);
  for (size_t c = 0; c < static_cast<size_t>(out); ++c) {
    for (size_t i = c * filter; i < (c + 1) * filter; ++i)
      folded.weights[i] = static_cast<float>(folded.weights[i] * norm->scale[c]);
    folded.bias.push_back(static_cast<float>(norm->shift[c]));
  }
  return folded;
}

LayerWeights selecting_convolution(const Layer& layer) {
  const size_t in = static_cast<size_t>(layer.src_extent.channels);
  const size_t out = static_cast<size_t>(layer.dst_extent.channels);
  LayerWeights selection{std::vector<float>(out * in), std::vector<float>(out)};
  const size_t first = (out - in) / 2;
  for (size_t c = 0; c < in; ++c) selection.weights[(first + c) * in + c] = 1.0f;
  return selection;
}

Result<LayerWeights> linear_weights(const Layer& layer, const FloatWeights& weights) {
  const int64_t classes = layer.dst_extent.channels;
  const Result<const std::vector<float>*> matrix =
      find(weights, layer.weights + ".weight", {classes, layer.src_extent.channels});
  if (!matrix) return matrix.error();
  const Result<const std::vector<float>*> bias = find(weights, layer.weights + ".bias", {classes});
  if (!bias) return bias.error();
  return LayerWeights{**matrix, **bias};
}

}  // namespace

Result<Network> build_network(const Architecture& architecture, int width, int height, int64_t num_classes) {
  if (width < kSmallestSide || height < kSmallestSide || width > kLargestSide || height > kLargestSide)
    return Error{ErrorCode::InvalidArgument,
                 "a model input of " + std::to_string(width) + "x" + std::to_string(height) + " pixels",
                 "possible are sides of " + std::to_string(kSmallestSide) + " to " + std::to_string(kLargestSide)};
  if (num_classes < 1)
    return Error{ErrorCode::InvalidArgument, "a model of " + std::to_string(num_classes) + " classes",
                 "it needs at least one"};
  const bool cifar = architecture.block == BlockKind::Cifar;
  const int64_t base = cifar ? 16 : 64;
  Builder builder(width, height);
  int value = builder.convolution(0, "conv1", "bn1", base, cifar ? 3 : 7, cifar ? 1 : 2);
  builder.relu();
  if (!cifar) value = builder.max_pool(value);
  for (size_t stage = 0; stage < architecture.depths.size(); ++stage) {
    for (int block = 0; block < architecture.depths[stage]; ++block) {
      const std::string name = "layer" + std::to_string(stage + 1) + "." + std::to_string(block);
      value = append_block(builder, architecture, name, value, base << stage, block == 0 && stage > 0 ? 2 : 1);
    }
  }
  builder.head(value, cifar ? "linear" : "fc", num_classes);
  return builder.take();
}

Result<LayerWeights> layer_weights(const Layer& layer, const FloatWeights& weights) {
  switch (layer.kind) {
    case LayerKind::Convolution:
      return folded_convolution(layer, weights);
    case LayerKind::OptionAShortcut:
      return selecting_convolution(layer);
    case LayerKind::Linear:
      return linear_weights(layer, weights);
    case LayerKind::MaxPool:
    case LayerKind::GlobalAveragePool:
      break;
  }
  return LayerWeights{};
}

}  // namespace resnetft
