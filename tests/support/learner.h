// SPDX-License-Identifier: MIT
// A learner on the smallest net of the zoo, taught by a stream of scenes: a coloured box on a coloured ground.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "live/learner.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/training.h"

namespace resnetft::testing {

inline constexpr uint64_t kSecond_ns = 1'000'000'000;

// Red, green and blue boxes of any size and place, with noise: linear in what a random net makes of them.
inline DatasetPtr scene_dataset(size_t pictures, unsigned seed, std::vector<std::string> classes = {"a", "b", "c"}) {
  constexpr int kSide = 32;
  std::mt19937 random(seed);
  const auto draw = [&](int low, int high) {
    return low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
  };
  std::vector<LabelledPicture> list;
  for (size_t i = 0; i < pictures; ++i) {
    const int ground[] = {draw(0, 150), draw(0, 150), draw(0, 150)};
    const int left = draw(0, 15), top = draw(0, 15), right = left + draw(10, 16), bottom = top + draw(10, 16);
    auto pixels = std::make_shared<std::vector<uint8_t>>();
    for (int y = 0; y < kSide; ++y)
      for (int x = 0; x < kSide; ++x)
        for (size_t c = 0; c < 3; ++c) {
          const bool inside = x >= left && x < right && y >= top && y < bottom;
          const int value = inside ? (c == i % 3 ? 220 : 20) : ground[c];
          pixels->push_back(static_cast<uint8_t>(std::clamp(value + draw(-20, 20), 0, 255)));
        }
    DecodedImage image;
    image.view.width = image.view.height = kSide;
    image.view.planes[0] = pixels->data();
    image.view.strides[0] = kSide * 3;
    image.pixels = pixels;
    list.push_back({image, i % 3, "scene " + std::to_string(i)});
  }
  return dataset_of_pictures(std::move(list), std::move(classes));
}

// A random net whose features have no mean in common: a random net's alone point all in one direction, and would be
// taken for duplicates of each other.
inline std::shared_ptr<const Model> centred_model(unsigned seed, const std::vector<std::string>& labels) {
  const std::shared_ptr<const Model> model = tiny_model(seed, labels);
  ClassifierOptions options;
  options.threads = 1;
  const auto classifier = Classifier::create(Snapshot::create(model), options).value();
  FloatWeights weights = *model->weights().value();
  std::vector<float>& shift = weights.at("layer3.2.bn2.bias").values;
  constexpr size_t kScenes = 60;
  const DatasetPtr scenes = scene_dataset(kScenes, 1000);
  for (size_t i = 0; i < kScenes; ++i) {
    const DecodedImage image = scenes->get(i).value();
    const std::vector<float> feature = classifier->classify({&image.view, 1}, 1).value()[0].embedding;
    for (size_t k = 0; k < shift.size(); ++k) shift[k] -= feature[k] / static_cast<float>(kScenes);
  }
  return Model::create(model->card(), std::move(weights)).value();
}

// What a learner said, from whatever thread.
class Events {
 public:
  Learner::Observer observer() {
    return [this, teller = teller_](const LearnerEvent& event) {
      const std::scoped_lock guard(lock_);
      events_.push_back(event);
    };
  }
  std::vector<LearnerEvent> all() const {
    const std::scoped_lock guard(lock_);
    return events_;
  }
  template <class Event>
  std::vector<Event> of() const {
    std::vector<Event> found;
    for (const LearnerEvent& event : all())
      if (const Event* const one = std::get_if<Event>(&event)) found.push_back(*one);
    return found;
  }
  // No learner, and no thread of one that was destroyed, is left to say more.
  bool are_all() const { return teller_.use_count() == 1; }

 private:
  mutable std::mutex lock_;
  std::vector<LearnerEvent> events_;
  std::shared_ptr<void> teller_ = std::make_shared<int>();
};

// Judges by everything that is held out, whatever the counts; trains when it is asked to.
inline LearnerSpec learner_spec(const TemporaryFolder& folder,
                                const std::vector<std::string>& base_labels = {"x", "y", "z"}) {
  LearnerSpec spec;
  spec.hub = ModelHub::acquire("");
  spec.base_model_file = folder.file("base.safetensors");
  if (!std::filesystem::exists(spec.base_model_file)) {
    const Status saved = save_model(*centred_model(7, base_labels), spec.base_model_file);
    EXPECT_TRUE(saved.ok());
  }
  spec.in_caller = true;
  spec.rules.train = TrainWhen::Manual;
  spec.rules.duty_cycle = 1;
  spec.rules.gate.min_samples = 10;
  spec.rules.gate.min_per_class = 2;
  return spec;
}

inline std::unique_ptr<Learner> started(LearnerSpec spec, Events& events) {
  Result<std::unique_ptr<Learner>> learner = Learner::create(std::move(spec), events.observer());
  if (learner) return std::move(*learner);
  ADD_FAILURE() << to_string(learner.error());
  return nullptr;
}

// Classes take turns in blocks of 2 s, 4 frames a second.
class SceneStream {
 public:
  static constexpr uint64_t kFrame_ns = kSecond_ns / 4;
  static constexpr uint64_t kFramesPerBlock = 8;

  explicit SceneStream(size_t classes = 3, unsigned seed = 1, uint64_t epoch = 1)
      : pictures_(scene_dataset(1200, seed)), classes_(classes), epoch_(epoch) {}

  std::string label() const { return std::string(1, static_cast<char>('a' + class_id())); }
  ImageView image() const { return pictures_->get(3 * (frame_ % 400) + class_id() % 3)->view; }
  SampleKey key() const { return {"camera", epoch_, frame_ * kFrame_ns, 0}; }
  Place place() const { return {"camera", frame_ * kFrame_ns}; }
  void next() { ++frame_; }

  void offer(Learner& learner, const std::string& label) {
    const HeldLabel held{label, label.empty() ? LabelSource::None : LabelSource::Event};
    const Status offered = learner.offer(image(), key(), place(), held);
    EXPECT_TRUE(offered.ok()) << to_string(offered.error());
    next();
  }
  // So many blocks under their own labels; in_caller: with what the learner does after each frame.
  void play(Learner& learner, size_t blocks) {
    for (size_t i = 0; i < blocks * kFramesPerBlock; ++i) {
      offer(learner, label());
      learner.run_pending();
    }
  }

 private:
  size_t class_id() const { return frame_ / kFramesPerBlock % classes_; }

  DatasetPtr pictures_;
  size_t classes_;
  uint64_t epoch_;
  uint64_t frame_ = 0;
};

// Of what the hub shows, on scenes that no stream has shown.
inline double accuracy_on(const ModelHub& hub, const DatasetPtr& pictures = scene_dataset(90, 99)) {
  ClassifierOptions options;
  options.threads = 1;
  const auto classifier = Classifier::create(hub.current().snapshot, options).value();
  size_t right = 0;
  for (size_t i = 0; i < pictures->size(); ++i) {
    const DecodedImage image = pictures->get(i).value();
    right +=
        classifier->classify({&image.view, 1}, 1).value()[0].top[0].label == pictures->classes()[pictures->class_id(i)];
  }
  return static_cast<double>(right) / static_cast<double>(pictures->size());
}

inline std::shared_ptr<const Model> shown(const ModelHub& hub) {
  const std::shared_ptr<const Snapshot> snapshot = hub.current().snapshot;
  return {snapshot, &snapshot->model()};
}

}  // namespace resnetft::testing
