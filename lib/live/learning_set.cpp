// SPDX-License-Identifier: MIT
#include "live/learning_set.h"

#include <algorithm>
#include <unordered_map>

#include "live/reduction.h"
#include "live/replay_store.h"

namespace resnetft {
namespace {

class LessonDataset : public Dataset {
 public:
  LessonDataset(std::vector<Lesson> lessons, std::vector<std::string> classes)
      : lessons_(std::move(lessons)), classes_(std::move(classes)) {
    std::unordered_map<std::string, size_t> ids;
    for (size_t i = 0; i < classes_.size(); ++i) ids.emplace(classes_[i], i);
    for (const Lesson& lesson : lessons_) class_ids_.push_back(ids.at(lesson.sample->label));
  }

  size_t size() const override { return lessons_.size(); }
  size_t class_id(size_t index) const override { return class_ids_[index]; }
  const std::vector<std::string>& classes() const override { return classes_; }

  Result<DecodedImage> get(size_t index, const ReduceBy& reduce_by) const override {
    const Lesson& lesson = lessons_[index];
    if (lesson.seed) return lesson.seed->get(lesson.seed_index, reduce_by);
    const SmallPicturePtr& picture = lesson.sample->picture;
    if (!picture) return Error{ErrorCode::NotFound, name(index) + " has no picture", "store-frames=true keeps them"};
    return DecodedImage{view_of(*picture), picture};
  }

  std::string name(size_t index) const override {
    const Lesson& lesson = lessons_[index];
    return lesson.seed ? lesson.seed->name(lesson.seed_index) : "sample " + std::to_string(lesson.sample->id);
  }

  std::string manifest_hash() const override {
    std::vector<SamplePtr> samples;
    for (const Lesson& lesson : lessons_) samples.push_back(lesson.sample);
    return manifest_of(samples);
  }

 private:
  std::vector<Lesson> lessons_;
  std::vector<std::string> classes_;
  std::vector<size_t> class_ids_;
};

}  // namespace

DatasetPtr dataset_of_lessons(std::vector<Lesson> lessons, std::vector<std::string> classes) {
  return std::make_shared<LessonDataset>(std::move(lessons), std::move(classes));
}

std::vector<std::span<const float>> features_of(std::span<const Lesson> lessons) {
  std::vector<std::span<const float>> features;
  for (const Lesson& lesson : lessons) features.emplace_back(lesson.sample->feature);
  return features;
}

size_t count_without_picture(std::span<const Lesson> lessons) {
  return static_cast<size_t>(
      std::ranges::count_if(lessons, [](const Lesson& lesson) { return !lesson.seed && !lesson.sample->picture; }));
}

}  // namespace resnetft
