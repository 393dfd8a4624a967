// SPDX-License-Identifier: MIT
#include "live_judge.h"

#include "data/decode_ahead.h"
#include "terminal.h"

namespace resnetft::tool {

void Tally::add(const std::string& truth, const std::string& named) {
  Count& count = classes[truth];
  ++count.pictures;
  if (named == truth) ++count.correct;
}

size_t Tally::pictures() const {
  size_t sum = 0;
  for (const auto& [label, count] : classes) sum += count.pictures;
  return sum;
}

size_t Tally::correct() const {
  size_t sum = 0;
  for (const auto& [label, count] : classes) sum += count.correct;
  return sum;
}

double Tally::accuracy() const {
  return classes.empty() ? 0 : static_cast<double>(correct()) / static_cast<double>(pictures());
}

Status LiveJudge::follow_hub() {
  const ModelHub::Current current = hub_->current();
  if (current.generation == generation_) return Status::success();
  Result<std::unique_ptr<Classifier>> classifier =
      Classifier::create(current.snapshot, {.device = "cpu", .resize_mode = std::nullopt});
  if (!classifier) return classifier.error();
  classifier_ = std::move(*classifier);
  generation_ = current.generation;
  return Status::success();
}

Result<std::string> LiveJudge::label_of(const ImageView& image) {
  if (Status status = follow_hub(); !status) return status.error();
  if (!classifier_) return std::string();
  const Result<std::vector<Judgement>> judgements = classifier_->classify({&image, 1}, 1);
  if (!judgements) return judgements.error();
  const std::vector<ScoredClass>& top = judgements->front().top;
  return top.empty() ? std::string() : top.front().label;
}

Result<Tally> LiveJudge::judge_folder(const Dataset& data, unsigned workers) {
  constexpr size_t kAhead = 32;
  Tally tally;
  DecodeAhead pictures(data, workers, kAhead);
  for (size_t i = 0; const std::optional<ReadPicture> picture = pictures.next(); ++i) {
    if (interrupted()) return interrupted_error();
    if (!picture->image) {
      say(to_string(picture->image.error()));
      continue;
    }
    const Result<std::string> named = label_of(picture->image->view);
    if (!named) return named.error();
    tally.add(data.classes()[data.class_id(i)], *named);
  }
  return tally;
}

}  // namespace resnetft::tool
