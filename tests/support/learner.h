// SPDX-License-Identifier: MIT
// A learner on the smallest net of the zoo, taught by a stream of textures.
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

// What a learner said, from whatever thread.
class Events {
 public:
  Learner::Observer observer() {
    return [this](const LearnerEvent& event) {
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

 private:
  mutable std::mutex lock_;
  std::vector<LearnerEvent> events_;
};

// Judges by everything that is held out, whatever the counts; trains when it is asked to.
inline LearnerSpec learner_spec(const TemporaryFolder& folder,
                                const std::vector<std::string>& base_labels = {"x", "y", "z"}) {
  LearnerSpec spec;
  spec.hub = ModelHub::acquire("");
  spec.base_model_file = folder.file("base.safetensors");
  if (!std::filesystem::exists(spec.base_model_file))
    EXPECT_TRUE(save_model(*tiny_model(7, base_labels), spec.base_model_file).ok());
  spec.in_caller = true;
  spec.rules.train = TrainWhen::Manual;
  spec.rules.recipe.epochs = 20;
  spec.rules.recipe.lr = 0.5;
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
class TextureStream {
 public:
  static constexpr uint64_t kFrame_ns = kSecond_ns / 4;
  static constexpr uint64_t kFramesPerBlock = 8;

  explicit TextureStream(size_t classes = 3, unsigned seed = 1)
      : pictures_(texture_dataset(300, seed)), classes_(classes) {}

  std::string label() const { return std::string(1, static_cast<char>('a' + class_id())); }
  ImageView image() const { return pictures_->get(3 * (frame_ % 100) + class_id() % 3)->view; }
  SampleKey key() const { return {"camera", 1, frame_ * kFrame_ns, 0}; }
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
  uint64_t frame_ = 0;
};

// Of what the hub shows, on textures that no stream has shown.
inline double accuracy_on_textures(const ModelHub& hub, const DatasetPtr& pictures = texture_dataset(90, 99)) {
  const auto classifier = Classifier::create(hub.current().snapshot, {.threads = 1}).value();
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
