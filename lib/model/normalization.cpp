// SPDX-License-Identifier: MIT
#include "model/normalization.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <vector>

namespace resnetft {
namespace {

constexpr std::string_view kRunningMean = ".running_mean";

// One layer's tensors; `weight` and `bias` are changed in place.
struct NormalizationLayer {
  std::span<float> weight;
  std::span<float> bias;
  std::span<const float> mean;
  std::span<const float> variance;
};

struct Moments {
  double mean;
  double deviation;
};

// Of all values of a group whose channels have these means and variances; each channel has the same weight.
Moments moments_of_group(std::span<const float> means, std::span<const float> variances) {
  double sum = 0, sum_of_squares = 0;
  for (size_t c = 0; c < means.size(); ++c) {
    const double mean = means[c];
    sum += mean;
    sum_of_squares += variances[c] + mean * mean;
  }
  const double count = static_cast<double>(means.size());
  const double mean = sum / count;
  return {mean, std::sqrt(std::max(0.0, sum_of_squares / count - mean * mean) + kNormalizationEpsilon)};
}

void convert_group(const NormalizationLayer& group) {
  const Moments moments = moments_of_group(group.mean, group.variance);
  for (size_t c = 0; c < group.weight.size(); ++c) {
    const double gamma = group.weight[c];
    const double sigma = std::sqrt(group.variance[c] + kNormalizationEpsilon);
    group.weight[c] = static_cast<float>(gamma * moments.deviation / sigma);
    group.bias[c] = static_cast<float>(group.bias[c] + gamma * (moments.mean - group.mean[c]) / sigma);
  }
}

void convert_layer(const NormalizationLayer& layer, Normalization to) {
  const size_t groups = static_cast<size_t>(normalization_groups(to, static_cast<int64_t>(layer.weight.size())));
  const size_t size = layer.weight.size() / groups;
  for (size_t first = 0; first < layer.weight.size(); first += size)
    convert_group({layer.weight.subspan(first, size), layer.bias.subspan(first, size), layer.mean.subspan(first, size),
                   layer.variance.subspan(first, size)});
}

// Converts the layer `name` and takes its statistics out of `weights`.
Status convert_layer(FloatWeights& weights, const std::string& name, Normalization to) {
  std::array<std::vector<float>*, 4> tensors;
  const std::array<std::string, 4> names = {name + ".weight", name + ".bias", name + ".running_mean",
                                            name + ".running_var"};
  for (size_t i = 0; i < names.size(); ++i) {
    const auto found = weights.find(names[i]);
    if (found == weights.end() || found->second.values.size() != weights.at(names[2]).values.size())
      return Error{ErrorCode::CorruptFile, "'" + names[i] + "' is missing or is not as long as '" + names[2] + "'",
                   "use weights of a whole network"};
    tensors[i] = &found->second.values;
  }
  convert_layer({*tensors[0], *tensors[1], *tensors[2], *tensors[3]}, to);
  weights.erase(names[2]);
  weights.erase(names[3]);
  weights.erase(name + ".num_batches_tracked");
  return Status::success();
}

}  // namespace

std::string_view normalization_name(Normalization normalization) {
  constexpr std::array<std::string_view, 4> kNames = {"batch", "frozen", "layer", "group"};
  return kNames.at(static_cast<size_t>(normalization));
}

bool has_running_statistics(Normalization normalization) {
  return normalization == Normalization::Batch || normalization == Normalization::Frozen;
}

int64_t normalization_groups(Normalization normalization, int64_t channels) {
  if (normalization == Normalization::Layer) return 1;
  for (int64_t groups = std::min<int64_t>(32, channels / 4); groups > 1; --groups)
    if (channels % groups == 0) return groups;
  return 1;
}

Result<FloatWeights> convert_normalization(const FloatWeights& weights, Normalization from, Normalization to) {
  if (from == to || (has_running_statistics(from) && has_running_statistics(to))) return weights;
  if (!has_running_statistics(from))
    return Error{ErrorCode::Incompatible,
                 "normalisation " + std::string(normalization_name(from)) + " cannot become " +
                     std::string(normalization_name(to)) + ": it keeps no statistics",
                 "convert the weights that had batch normalisation"};
  FloatWeights converted = weights;
  for (const auto& [name, tensor] : weights) {
    if (!name.ends_with(kRunningMean) || tensor.values.empty()) continue;
    const Status status = convert_layer(converted, name.substr(0, name.size() - kRunningMean.size()), to);
    if (!status) return status.error();
  }
  return converted;
}

}  // namespace resnetft
