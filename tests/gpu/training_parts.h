// SPDX-License-Identifier: MIT
// A net that learns on LibTorch's device, from one batch again and again or from what it is given; and pictures.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "model/torch/resnet.h"
#include "train/torch/loss_scaler.h"
#include "train/torch/parameters.h"
#include "train/torch/step.h"

namespace resnetft::testing {

struct TrainedShape {
  std::string architecture;
  int64_t side, batch, classes;
};

// The same weights and pictures wherever it learns.
class LearningNet {
 public:
  LearningNet(const TrainedShape& shape, Recipe recipe, const at::Device& device) : recipe_(std::move(recipe)) {
    recipe_.trainable = Trainable::All;
    net_ = std::make_shared<ResNet>(*find_architecture(shape.architecture), shape.classes, Normalization::Batch);
    net_->draw_initial_weights(at::detail::createCPUGenerator(1));
    move_to(device, *net_);
    freeze(*net_, recipe_, Normalization::Batch);
    optimizer_.emplace(recipe_, parameter_groups(*net_, recipe_));
    if (recipe_.precision == TrainPrecision::Fp16) scaler_.emplace(device);
    step_.emplace(*net_, *optimizer_, recipe_, LossSpec{}, AllReduce{},
                  StepParts{.scaler = scaler_ ? &*scaler_ : nullptr});
    batch_.class_ids = at::arange(shape.batch, at::kLong).remainder(shape.classes);
    // Channels last, each class's pictures of another brightness.
    batch_.input = at::rand({shape.batch, shape.side, shape.side, 3}, at::detail::createCPUGenerator(2));
    batch_.input.add_(batch_.class_ids.to(at::kFloat).div(shape.classes).reshape({-1, 1, 1, 1}));
    batch_.input = batch_.input.permute({0, 3, 1, 2}).to(device);
  }

  // The mean loss before the step.
  double learn(double rate) { return learn(rate, batch_); }
  double learn(double rate, TrainBatch batch) {
    const StepSums sums = step(rate, std::move(batch)).value();
    return sums.loss / static_cast<double>(sums.images);
  }
  // The same without waiting for it.
  BatchSums step(double rate) { return step(rate, batch_); }
  BatchSums step(double rate, TrainBatch batch) {
    BatchSums coming = step_->accumulate(Stage::Pictures, std::move(batch), {});
    step_->apply(rate);
    return coming;
  }

  const TrainBatch& batch() const { return batch_; }
  ResNet& net() { return *net_; }
  LossScaler& scaler() { return *scaler_; }
  // What a checkpoint keeps.
  NamedTensors state() const {
    NamedTensors kept = tensors_of(*net_);
    kept.merge(optimizer_->state());
    return kept;
  }

 private:
  Recipe recipe_;
  std::shared_ptr<ResNet> net_;
  std::optional<ParameterOptimizer> optimizer_;
  std::optional<LossScaler> scaler_;
  std::optional<TrainStep> step_;
  TrainBatch batch_;
};

// Pictures in memory, in waves of each class's own length, of sizes up to the given one.
class WavesDataset : public Dataset {
 public:
  WavesDataset(size_t count, size_t classes, int width, int height) : classes_(classes, "waves") {
    std::mt19937 random(3);
    for (size_t i = 0; i < count; ++i) pictures_.push_back(waves(random, i % classes, width, height));
  }

  size_t size() const override { return pictures_.size(); }
  Result<DecodedImage> get(size_t index, const ReduceBy&) const override { return pictures_[index]; }
  size_t class_id(size_t index) const override { return index % classes_.size(); }
  std::string name(size_t index) const override { return std::to_string(index); }
  const std::vector<std::string>& classes() const override { return classes_; }
  std::string manifest_hash() const override { return {}; }

 private:
  static DecodedImage waves(std::mt19937& random, size_t class_id, int most_width, int most_height) {
    const int width = most_width - static_cast<int>(random() % 16),
              height = most_height - static_cast<int>(random() % 16);
    const auto pixels = std::make_shared<std::vector<uint8_t>>(static_cast<size_t>(width * height * 3));
    const int length = 8 << class_id;
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        for (int c = 0; c < 3; ++c)
          (*pixels)[static_cast<size_t>((y * width + x) * 3 + c)] =
              static_cast<uint8_t>((x + y) / length % 2 * 128 + static_cast<int>(random() % 128));
    DecodedImage image;
    image.view.width = width;
    image.view.height = height;
    image.view.planes[0] = pixels->data();
    image.view.strides[0] = ptrdiff_t{3} * width;
    image.pixels = pixels;
    return image;
  }

  std::vector<DecodedImage> pictures_;
  std::vector<std::string> classes_;
};

}  // namespace resnetft::testing
