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

GateJudgement judged(const ModelAnswers& answers, size_t sample, double temperature, size_t truth, uint64_t block) {
  const std::vector<double> sure = confidences(answers.logits[sample], temperature);
  GateJudgement judgement{.truth = truth, .block = block};
  judgement.named = answers.places[static_cast<size_t>(std::ranges::max_element(sure) - sure.begin())];
  if (const std::optional<size_t> own = answers.truths[sample]) judgement.truth_confidence = sure[*own];
  return judgement;
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

Result<AnsweredPair> ask_both(SampleJudge& incumbent, SampleJudge& candidate, std::span<const Lesson> lessons,
                              const std::vector<GateClass>& classes, const std::function<bool()>& go_on) {
  const IdsByName ids = ids_of(classes);
  AnsweredPair pair;
  pair.incumbent.places = places_of(incumbent.head(), ids);
  pair.candidate.places = places_of(candidate.head(), ids);
  for (const Lesson& lesson : lessons) {
    if (!go_on()) return Error{ErrorCode::Cancelled, "judging was stopped", ""};
    Result<std::optional<std::vector<float>>> before = incumbent.logits(lesson);
    if (!before) return before.error();
    Result<std::optional<std::vector<float>>> after = candidate.logits(lesson);
    if (!after) return after.error();
    if (!*before || !*after) continue;
    const std::string& label = lesson.sample->label;
    pair.truths.push_back(ids.at(label));
    pair.blocks.push_back(lesson.sample->block);
    pair.incumbent.logits.push_back(std::move(**before));
    pair.incumbent.truths.push_back(incumbent.head().find(label));
    pair.candidate.logits.push_back(std::move(**after));
    pair.candidate.truths.push_back(candidate.head().find(label));
  }
  return pair;
}

FittedTemperature temperature_for(const ModelAnswers& answers, double old) {
  LabelledLogits known;
  for (size_t i = 0; i < answers.logits.size(); ++i) {
    if (!answers.truths[i]) continue;
    known.classes = answers.logits[i].size();
    known.logits.insert(known.logits.end(), answers.logits[i].begin(), answers.logits[i].end());
    known.truths.push_back(*answers.truths[i]);
  }
  if (known.truths.empty()) return {old, false};
  const Calibration calibration = calibrate(known, old);
  return {calibration.temperature, calibration.fitted};
}

JudgedPair judge_answers(const AnsweredPair& answers, const Temperatures& temperatures) {
  JudgedPair pair;
  for (size_t i = 0; i < answers.truths.size(); ++i) {
    const size_t truth = answers.truths[i];
    const uint64_t block = answers.blocks[i];
    pair.incumbent.push_back(judged(answers.incumbent, i, temperatures.incumbent, truth, block));
    pair.candidate.push_back(judged(answers.candidate, i, temperatures.candidate, truth, block));
  }
  return pair;
}

}  // namespace resnetft
