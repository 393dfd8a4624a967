// SPDX-License-Identifier: MIT
// A ResNet-20 whose answers can be worked out by hand: its blocks pass pictures through, so that the pooled features
// hold the mean of red, green and blue (0 to 1), and the head's logits are ten times these.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "../support/tiny_model.h"

namespace resnetft::testing {

inline constexpr float kColorGain = 10;

// Where the picture's channel `c` ends up: option-A shortcuts put 8, then 16 channels before it.
inline constexpr int64_t color_feature(int64_t c) { return c + 8 + 16; }

struct ColorModel {
  std::vector<std::string> labels = {"red", "green", "blue"};  // the first three answer to the colours
  int size = 32;                                               // side of the input; the time grows with its square
  std::vector<float> bias = {};                                // added to the logits
};

inline std::shared_ptr<const Model> color_model(const ColorModel& wanted = {}) {
  ModelCard card;
  card.architecture = "resnet20";
  card.labels = wanted.labels;
  card.num_classes = static_cast<int64_t>(wanted.labels.size());
  card.preprocess.mode = ResizeMode::Stretch;
  card.preprocess.resize = card.preprocess.crop_width = card.preprocess.crop_height = wanted.size;
  card.preprocess.mean = {0, 0, 0};
  card.preprocess.std = {1, 1, 1};
  FloatWeights weights = random_weights("resnet20", card.num_classes, 1);
  for (auto& [name, tensor] : weights)
    if (tensor.shape.size() > 1 || name == "linear.bias") std::ranges::fill(tensor.values, 0.0f);
  for (size_t c = 0; c < 3; ++c) {
    weights["conv1.weight"].values[(c * 3 + c) * 9 + 4] = 1;  // [16, 3, 3, 3]: the middle of the kernel
    if (c < wanted.labels.size())
      weights["linear.weight"].values[c * 64 + static_cast<size_t>(color_feature(static_cast<int64_t>(c)))] =
          kColorGain;
  }
  std::ranges::copy(wanted.bias, weights["linear.bias"].values.begin());
  return Model::create(std::move(card), std::move(weights)).value();
}

// One that says `label` of everything, with confidence almost 1.
inline std::shared_ptr<const Model> stubborn_model(const std::string& label) {
  return color_model({.labels = {label, "other", "another"}, .bias = {100, 0, 0}});
}

}  // namespace resnetft::testing
