// SPDX-License-Identifier: MIT
// A CIFAR ResNet-20 with random weights of a seed: the smallest net of the zoo.
#pragma once

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "model/architecture.h"
#include "resnetft/model.h"

namespace resnetft::testing {

inline FloatTensor random_tensor(const std::vector<int64_t>& shape, std::mt19937& random) {
  size_t size = 1, fan_in = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    size *= static_cast<size_t>(shape[i]);
    if (i > 0) fan_in *= static_cast<size_t>(shape[i]);
  }
  std::normal_distribution<float> normal(0.0f, std::sqrt(2.0f / static_cast<float>(fan_in)));
  FloatTensor tensor{shape, std::vector<float>(size)};
  for (float& value : tensor.values) value = normal(random);
  return tensor;
}

// Convolutions and the head are drawn; normalisation scales by 1, shifts by 0 and has seen mean 0, variance 1.
inline FloatWeights random_weights(std::string_view architecture, int64_t num_classes, unsigned seed) {
  std::mt19937 random(seed);
  FloatWeights weights;
  for (const ParameterSpec& spec : parameter_specs(*find_architecture(architecture), num_classes)) {
    const bool head = spec.name.starts_with("fc.") || spec.name.starts_with("linear.");
    if (spec.shape.size() > 1 || head) {
      weights[spec.name] = random_tensor(spec.shape, random);
      continue;
    }
    const size_t channels = static_cast<size_t>(spec.shape[0]);
    const std::string norm = spec.name.substr(0, spec.name.rfind('.'));
    weights[spec.name] = {spec.shape, std::vector<float>(channels, spec.name.ends_with(".weight") ? 1.0f : 0.0f)};
    weights[norm + ".running_mean"] = {spec.shape, std::vector<float>(channels, 0.0f)};
    weights[norm + ".running_var"] = {spec.shape, std::vector<float>(channels, 1.0f)};
  }
  return weights;
}

inline std::shared_ptr<const Model> tiny_model(unsigned seed, std::vector<std::string> labels = {"a", "b", "c"}) {
  ModelCard card;
  card.architecture = "resnet20";
  card.num_classes = static_cast<int64_t>(labels.size());
  card.labels = std::move(labels);
  card.preprocess.resize = 32;
  card.preprocess.crop_width = card.preprocess.crop_height = 32;
  FloatWeights weights = random_weights("resnet20", card.num_classes, seed);
  return Model::create(std::move(card), std::move(weights)).value();
}

}  // namespace resnetft::testing
