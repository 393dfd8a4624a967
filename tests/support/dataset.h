// SPDX-License-Identifier: MIT
// Small datasets in memory.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset.h"

namespace resnetft::testing {

// R, G, B, without padding.
inline DecodedImage image_of(std::vector<uint8_t> rgb, int width, int height) {
  const auto owner = std::make_shared<const std::vector<uint8_t>>(std::move(rgb));
  const ImageView view{.width = width, .height = height, .planes = {owner->data()}, .strides = {ptrdiff_t{3} * width}};
  return {view, owner};
}

// Its own pixels for each number: no two are alike, near or far.
inline DecodedImage noise_image(uint32_t number, int width, int height) {
  std::vector<uint8_t> rgb(static_cast<size_t>(width * height * 3));
  uint32_t state = number * 2654435761u + 1;
  for (uint8_t& byte : rgb) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<uint8_t>(state >> 24);
  }
  return image_of(std::move(rgb), width, height);
}

// `count` pictures of noise whose sizes differ; picture i is of class i % classes and called "i".
inline DatasetPtr noise_dataset(size_t count, size_t classes, int side = 40) {
  std::vector<LabelledPicture> pictures;
  for (size_t i = 0; i < count; ++i) {
    const int extra = static_cast<int>(i % 7);
    pictures.push_back(
        {noise_image(static_cast<uint32_t>(i), side + extra, side + 2 * extra), i % classes, std::to_string(i)});
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < classes; ++i) names.push_back("class " + std::to_string(i));
  return dataset_of_pictures(std::move(pictures), std::move(names));
}

// What another one gives: the beginning of one that differs in something.
class ForwardingDataset : public Dataset {
 public:
  explicit ForwardingDataset(DatasetPtr base) : base_(std::move(base)) {}
  size_t size() const override { return base_->size(); }
  Result<DecodedImage> get(size_t index, const ReduceBy& reduce_by) const override {
    return base_->get(index, reduce_by);
  }
  size_t class_id(size_t index) const override { return base_->class_id(index); }
  std::string name(size_t index) const override { return base_->name(index); }
  const std::vector<std::string>& classes() const override { return base_->classes(); }
  std::string manifest_hash() const override { return base_->manifest_hash(); }

 private:
  DatasetPtr base_;
};

}  // namespace resnetft::testing
