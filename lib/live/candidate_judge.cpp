// SPDX-License-Identifier: MIT
#include "live/candidate_judge.h"

#include <algorithm>
#include <unordered_map>

#include "infer/judge.h"
#include "live/reduction.h"

namespace resnetft {
namespace {

using IdsByName = std::unordered_map<std::string, size_t>;

IdsByName ids_of(const std::vector<GateClass>& classes) {
  IdsByName ids;
  for (size_t i = 0; i < classes.size(); ++i) ids.emplace(classes[i].name, i);
  return ids;
}

// For each class of the head, its place among the gate's.
std::vector<size_t> places_of(const LinearHead& head, const IdsByName& ids) {
  std::vector<size_t> places;
  for (const std::string& label : head.labels) {
    const auto found = ids.find(label);
    places.push_back(found == ids.end() ? kNoGateClass : found->second);
  }
  return places;
}

GateJudgement judged(const std::vector<size_t>& places, double temperature, const std::vector<float>& logits,
                     size_t truth, uint64_t block) {
  const std::vector<double> sure = confidences(logits, temperature);
  GateJudgement judgement{.truth = truth, .block = block};
  judgement.named = places[static_cast<size_t>(std::ranges::max_element(sure) - sure.begin())];
  if (const auto own = std::ranges::find(places, truth); own != places.end())
    judgement.truth_confidence = sure[static_cast<size_t>(own - places.begin())];
  return judgement;
}

void keep_logits(LabelledLogits& kept, const std::vector<float>& logits, std::optional<size_t> truth) {
  if (!truth) return;
  kept.classes = logits.size();
  kept.logits.insert(kept.logits.end(), logits.begin(), logits.end());
  kept.truths.push_back(*truth);
}

}  // namespace

SampleJudge::SampleJudge(std::shared_ptr<const Snapshot> snapshot, LinearHead head, std::string origin,
                         const Device& device, unsigned threads)
    : snapshot_(std::move(snapshot)),
      head_(std::move(head)),
      origin_(std::move(origin)),
      device_(device),
      threads_(threads) {}

Result<SampleJudge> SampleJudge::create(std::shared_ptr<const Snapshot> snapshot, std::string origin,
                                        const Device& device, unsigned threads) {
  Result<LinearHead> head = head_of(snapshot->model());
  if (!head) return head.error();
  return SampleJudge(std::move(snapshot), std::move(*head), std::move(origin), device, threads);
}

Result<std::optional<std::vector<float>>> SampleJudge::from_picture(const Lesson& lesson) {
  DecodedImage image;
  if (lesson.seed) {
    Result<DecodedImage> read = lesson.seed->get(lesson.seed_index);
    if (!read) return read.error();
    image = std::move(*read);
  } else if (lesson.sample->picture) {
    image.view = view_of(*lesson.sample->picture);
  } else {
    return std::optional<std::vector<float>>();
  }
  if (!maker_) {
    Result<std::unique_ptr<FeatureMaker>> maker = FeatureMaker::create(snapshot_, origin_, device_, threads_);
    if (!maker) return maker.error();
    maker_ = std::move(*maker);
  }
  const Result<std::vector<float>> feature = maker_->make(image.view);
  if (!feature) return feature.error();
  return std::optional(head_.logits(*feature));
}

Result<std::optional<std::vector<float>>> SampleJudge::logits(const Lesson& lesson) {
  const Sample& sample = *lesson.sample;
  if (sample.feature_origin == origin_ && sample.feature.size() == head_.features)
    return std::optional(head_.logits(sample.feature));
  return from_picture(lesson);
}

Result<JudgedPair> judge_both(SampleJudge& incumbent, SampleJudge& candidate, std::span<const Lesson> lessons,
                              const std::vector<GateClass>& classes, const std::function<bool()>& go_on) {
  const IdsByName ids = ids_of(classes);
  const std::vector<size_t> old_places = places_of(incumbent.head(), ids),
                            new_places = places_of(candidate.head(), ids);
  const double old_temperature = incumbent.model().card().temperature,
               new_temperature = candidate.model().card().temperature;
  JudgedPair pair;
  for (const Lesson& lesson : lessons) {
    if (!go_on()) return Error{ErrorCode::Cancelled, "judging was stopped", ""};
    const Result<std::optional<std::vector<float>>> before = incumbent.logits(lesson);
    if (!before) return before.error();
    const Result<std::optional<std::vector<float>>> after = candidate.logits(lesson);
    if (!after) return after.error();
    if (!*before || !*after) {
      ++pair.left_out;
      continue;
    }
    const size_t truth = ids.at(lesson.sample->label);
    pair.incumbent.push_back(judged(old_places, old_temperature, **before, truth, lesson.sample->block));
    pair.candidate.push_back(judged(new_places, new_temperature, **after, truth, lesson.sample->block));
    keep_logits(pair.of_candidate, **after, candidate.head().find(lesson.sample->label));
  }
  return pair;
}

}  // namespace resnetft
