// SPDX-License-Identifier: MIT
// A task that a small net learns in seconds: 32x32 pictures of three textures in random colours.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/support/tiny_model.h"
#include "train/trainer.h"

namespace resnetft::testing {

// Stripes across, stripes down, or a chequered board, with noise.
inline DatasetPtr texture_dataset(size_t pictures, unsigned seed, int side = 32,
                                  std::vector<std::string> classes = {"a", "b", "c"}) {
  std::mt19937 random(seed);
  std::vector<LabelledPicture> list;
  for (size_t i = 0; i < pictures; ++i) {
    const size_t class_id = i % 3;
    auto pixels = std::make_shared<std::vector<uint8_t>>(static_cast<size_t>(side * side * 3));
    const unsigned phase = random() % 8, bright = 100 + random() % 100;
    for (int y = 0; y < side; ++y)
      for (int x = 0; x < side; ++x) {
        const unsigned across = (static_cast<unsigned>(y) + phase) / 4 % 2;
        const unsigned down = (static_cast<unsigned>(x) + phase) / 4 % 2;
        const unsigned on = class_id == 0 ? across : class_id == 1 ? down : across ^ down;
        for (int c = 0; c < 3; ++c)
          (*pixels)[static_cast<size_t>((y * side + x) * 3 + c)] = static_cast<uint8_t>(on * bright + random() % 56);
      }
    DecodedImage image;
    image.view.width = image.view.height = side;
    image.view.planes[0] = pixels->data();
    image.view.strides[0] = side * 3;
    image.pixels = pixels;
    list.push_back({image, class_id, "picture " + std::to_string(seed) + "-" + std::to_string(i)});
  }
  return dataset_of_pictures(std::move(list), std::move(classes));
}

inline void set(Recipe& recipe, const std::string& name, const std::string& value) {
  const Status status = set_recipe_option(recipe, name, value);
  ASSERT_TRUE(status.ok()) << to_string(status.error());
}

using Settings = std::vector<std::pair<std::string, std::string>>;

// A resnet20 on the textures, two threads, resolved; `settings` over small defaults.
inline TrainSpec texture_training(const Settings& settings, size_t pictures = 96) {
  TrainSpec spec;
  spec.base = tiny_model(7);
  spec.card = spec.base->card();
  spec.train = texture_dataset(pictures, 1);
  spec.validation = texture_dataset(12, 2);
  const Settings defaults = {{"trainable", "all"}, {"epochs", "2"},  {"batch-size", "16"}, {"lr", "0.02"},
                             {"threads", "2"},     {"workers", "2"}, {"cache", "none"}};
  for (const Settings* list : {&defaults, &settings})
    for (const auto& [name, value] : *list) set(spec.recipe, name, value);
  resolve_recipe(spec.recipe, {pictures, 3, 32, 32, true});
  return spec;
}

inline TrainOutcome trained(const TrainSpec& spec, const TrainObserver& observer = {}) {
  Result<TrainOutcome> outcome = train(spec, observer, {});
  if (!outcome) {
    ADD_FAILURE() << to_string(outcome.error());
    return {};
  }
  return std::move(*outcome);
}

// The names of tensors whose bits differ.
inline std::vector<std::string> different_tensors(const Model& a, const Model& b) {
  const std::shared_ptr<const FloatWeights> left = a.weights().value(), right = b.weights().value();
  std::vector<std::string> names;
  for (const auto& [name, tensor] : *left)
    if (!right->contains(name) || right->at(name).values != tensor.values) names.push_back(name);
  return names;
}

}  // namespace resnetft::testing
