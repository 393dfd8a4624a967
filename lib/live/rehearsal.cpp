// SPDX-License-Identifier: MIT
#include "live/rehearsal.h"

#include <algorithm>

#include "base/log.h"
#include "data/split.h"

namespace resnetft {
namespace {

constexpr double kHeldOut = 0.2;
// Above every id of a store, so that no two samples of a run share one.
constexpr uint64_t kFirstId = uint64_t{1} << 62;

}  // namespace

Result<Rehearsal> Rehearsal::open(const std::string& folder, uint64_t seed) {
  Rehearsal rehearsal;
  if (folder.empty()) return rehearsal;
  Result<DatasetPtr> data = open_image_folder(folder);
  if (!data) return data.error();
  rehearsal.data_ = std::move(*data);
  rehearsal.seed_ = seed;
  return rehearsal;
}

Status Rehearsal::split(const std::function<bool()>& go_on) {
  if (!lessons_.empty()) return Status::success();
  const Result<PictureHashes> hashes = hash_pictures(*data_, 1, [&](size_t) { return go_on(); });
  if (!hashes) return hashes.error();
  const Split sides = split_stratified(class_ids_of(*data_), hashes->hashes, kHeldOut, seed_);
  add(sides.train, HoldoutSide::Train);
  add(sides.validation, HoldoutSide::Holdout);
  return Status::success();
}

void Rehearsal::add(const std::vector<size_t>& indexes, HoldoutSide side) {
  for (const size_t index : indexes) {
    Sample sample;
    sample.id = kFirstId + index;
    sample.key.stream_id = data_->name(index);
    sample.label = data_->classes()[data_->class_id(index)];
    sample.source = LabelSource::Seed;
    sample.side = side;
    sample.block = sample.id;
    lessons_.push_back({std::make_shared<const Sample>(std::move(sample)), data_, index});
  }
}

Result<SamplePtr> Rehearsal::make_sample(FeatureMaker& maker, const Lesson& lesson) const {
  const Result<DecodedImage> image = lesson.seed->get(lesson.seed_index);
  if (!image) return image.error();
  Result<std::vector<float>> feature = maker.make(image->view);
  if (!feature) return feature.error();
  Sample sample = *lesson.sample;
  sample.feature = std::move(*feature);
  sample.feature_origin = maker.origin();
  return std::make_shared<const Sample>(std::move(sample));
}

Status Rehearsal::prepare(FeatureMaker& maker, const std::function<bool()>& go_on) {
  if (Status chosen = split(go_on); !chosen) return chosen;
  std::vector<Lesson> kept;
  kept.reserve(lessons_.size());
  for (size_t i = 0; i < lessons_.size(); ++i) {
    Lesson lesson = lessons_[i];
    if (lesson.sample->feature_origin != maker.origin()) {
      if (!go_on()) {
        kept.insert(kept.end(), lessons_.begin() + static_cast<ptrdiff_t>(i), lessons_.end());
        lessons_ = std::move(kept);
        return Error{ErrorCode::Cancelled, "preparing the seed dataset was stopped", ""};
      }
      Result<SamplePtr> sample = make_sample(maker, lesson);
      if (!sample) {
        log(LogLevel::Warning, "seed-dataset: a picture is left out: " + to_string(sample.error()));
        continue;
      }
      lesson.sample = std::move(*sample);
    }
    kept.push_back(std::move(lesson));
  }
  lessons_ = std::move(kept);
  return Status::success();
}

std::vector<Lesson> Rehearsal::lessons(HoldoutSide side, const std::string& origin,
                                       const std::set<std::string>& classes) const {
  std::vector<Lesson> list;
  std::ranges::copy_if(lessons_, std::back_inserter(list), [&](const Lesson& lesson) {
    return lesson.sample->side == side && lesson.sample->feature_origin == origin &&
           classes.contains(lesson.sample->label);
  });
  return list;
}

}  // namespace resnetft
