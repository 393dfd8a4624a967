// SPDX-License-Identifier: MIT
#include "model/network.h"

#include <cmath>

#include "model/normalization.h"

namespace resnetft {
namespace {

constexpr int64_t kSmallestSide = 32;

class Builder {
 public:
  Builder(int64_t channels, int64_t height, int64_t width) : channels_(channels), height_(height), width_(width) {}

  // Reads the last value.
  Layer& convolution(const std::string& name, const std::string& norm, int64_t channels, int64_t kernel,
                     int64_t stride = 1, int64_t groups = 1) {
    return add(last(), channels_, height_, width_,
               {.channels = channels,
                .kernel = kernel,
                .stride = stride,
                .padding = kernel / 2,
                .groups = groups,
                .convolution = name,
                .normalization = norm});
  }

  void max_pool() {
    add(last(), channels_, height_, width_,
        {.kind = Layer::Kind::MaxPool,
         .channels = channels_,
         .kernel = 3,
         .stride = 2,
         .padding = 1,
         .convolution = "",
         .normalization = ""});
  }

  // A block's shortcut: reads `source`, and leaves the value that the block's body reads as it was.
  int shortcut(const std::string& name, int64_t channels, int64_t stride) {
    const int64_t in_channels = channels_, height = height_, width = width_;
    const bool option_a = name.empty();
    add(last(), in_channels, height, width,
        {.channels = channels,
         .stride = stride,
         .convolution = option_a ? "" : name + ".0",
         .normalization = option_a ? "" : name + ".1"});
    const int value = last();
    channels_ = in_channels;
    height_ = height;
    width_ = width;
    return value;
  }

  int last() const { return static_cast<int>(layers_.size()); }
  int64_t channels() const { return channels_; }
  Layer& back() { return layers_.back(); }
  void read_from(int value) { layers_.back().source = value; }
  std::vector<Layer> take() { return std::move(layers_); }

 private:
  Layer& add(int source, int64_t in_channels, int64_t height, int64_t width, Layer layer) {
    layer.source = source;
    layer.in_channels = in_channels;
    layer.height = (height + 2 * layer.padding - layer.kernel) / layer.stride + 1;
    layer.width = (width + 2 * layer.padding - layer.kernel) / layer.stride + 1;
    channels_ = layer.channels;
    height_ = layer.height;
    width_ = layer.width;
    layers_.push_back(std::move(layer));
    return layers_.back();
  }

  int64_t channels_, height_, width_;
  std::vector<Layer> layers_;
};

// The shortcut comes first in the list, so that the block's last convolution can add to it in place.
void add_block(Builder& net, const Architecture& arch, const std::string& name, int64_t planes, int64_t stride) {
  const bool bottleneck = arch.block == BlockKind::Bottleneck;
  const int64_t out = planes * (bottleneck ? 4 : 1);
  const int input = net.last();
  int residual = input;
  if (stride != 1 || net.channels() != out)
    residual = net.shortcut(arch.block == BlockKind::Cifar ? "" : name + ".downsample", out, stride);
  if (bottleneck) {
    const int64_t width = planes * arch.width_per_group / 64 * arch.groups;
    net.convolution(name + ".conv1", name + ".bn1", width, 1).relu = true;
    net.read_from(input);
    net.convolution(name + ".conv2", name + ".bn2", width, 3, stride, arch.groups).relu = true;
    net.convolution(name + ".conv3", name + ".bn3", out, 1);
  } else {
    net.convolution(name + ".conv1", name + ".bn1", planes, 3, stride).relu = true;
    net.read_from(input);
    net.convolution(name + ".conv2", name + ".bn2", planes, 3);
  }
  net.back().relu = true;
  net.back().residual = residual;
}

// He 2016a, option A: channel c of the source goes to channel c + growth / 2, the others are zero.
FoldedConvolution identity_shortcut(const Layer& layer) {
  FoldedConvolution folded;
  folded.bias.assign(static_cast<size_t>(layer.channels), 0.0f);
  folded.weight.assign(static_cast<size_t>(layer.channels * layer.in_channels), 0.0f);
  const int64_t before = (layer.channels - layer.in_channels) / 2;
  for (int64_t c = 0; c < layer.in_channels; ++c)
    folded.weight[static_cast<size_t>((before + c) * layer.in_channels + c)] = 1.0f;
  return folded;
}

}  // namespace

Result<Network> build_network(const Architecture& architecture, int64_t num_classes, int64_t height, int64_t width) {
  if (height < kSmallestSide || width < kSmallestSide)
    return Error{ErrorCode::InvalidArgument,
                 "an input of " + std::to_string(width) + "x" + std::to_string(height) + " pixels is too small",
                 "sides must be at least 32"};
  const bool cifar = architecture.block == BlockKind::Cifar;
  const int64_t base = cifar ? 16 : 64;
  Builder net(3, height, width);
  net.convolution("conv1", "bn1", base, cifar ? 3 : 7, cifar ? 1 : 2).relu = true;
  if (!cifar) net.max_pool();
  for (size_t stage = 0; stage < architecture.depths.size(); ++stage)
    for (int block = 0; block < architecture.depths[stage]; ++block)
      add_block(net, architecture, "layer" + std::to_string(stage + 1) + "." + std::to_string(block), base << stage,
                stage > 0 && block == 0 ? 2 : 1);
  const int64_t features = net.channels();
  return Network{net.take(), cifar ? "linear" : "fc", features, num_classes};
}

FoldedConvolution fold(const Layer& layer, const FloatWeights& weights) {
  if (layer.convolution.empty()) return identity_shortcut(layer);
  const auto values = [&](const std::string& suffix) -> const std::vector<float>& {
    return weights.find(layer.normalization + suffix)->second.values;
  };
  const std::vector<float>&gamma = values(".weight"), &beta = values(".bias"), &mean = values(".running_mean"),
        &variance = values(".running_var");
  FoldedConvolution folded;
  folded.weight = weights.find(layer.convolution + ".weight")->second.values;
  const size_t per_channel = folded.weight.size() / gamma.size();
  for (size_t c = 0; c < gamma.size(); ++c) {
    const double scale = gamma[c] / std::sqrt(static_cast<double>(variance[c]) + kNormalizationEpsilon);
    for (size_t i = 0; i < per_channel; ++i) {
      float& value = folded.weight[c * per_channel + i];
      value = static_cast<float>(value * scale);
    }
    folded.bias.push_back(static_cast<float>(beta[c] - mean[c] * scale));
  }
  return folded;
}

}  // namespace resnetft
