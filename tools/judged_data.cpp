// SPDX-License-Identifier: MIT
#include "judged_data.h"

#include <algorithm>

#include "data/decode_ahead.h"
#include "infer/judge.h"
#include "mistakes.h"
#include "terminal.h"

namespace resnetft::tool {
namespace {

constexpr size_t kChunk = 32;  // pictures that are judged at once

Status judge_chunk(const Dataset& data, size_t first, const std::vector<ReadPicture>& pictures, Classifier& classifier,
                   Unreadable unreadable, JudgedData& judged) {
  std::vector<ImageView> views;
  std::vector<size_t> indexes;
  for (size_t i = 0; i < pictures.size(); ++i) {
    if (const Result<DecodedImage>& image = pictures[i].image; image) {
      views.push_back(image->view);
      indexes.push_back(first + i);
    } else {
      ++judged.failed;
      if (unreadable == Unreadable::Named) say(to_string(image.error()));
    }
  }
  const Result<std::vector<Judgement>> judgements = classifier.classify(views, 1);
  if (!judgements) return judgements.error();
  for (size_t i = 0; i < indexes.size(); ++i) {
    const std::vector<float>& logits = (*judgements)[i].logits;
    judged.logits.logits.insert(judged.logits.logits.end(), logits.begin(), logits.end());
    judged.logits.truths.push_back(data.class_id(indexes[i]));
    judged.indexes.push_back(indexes[i]);
  }
  return Status::success();
}

}  // namespace

Result<DatasetPtr> open_labelled_folder(const std::string& folder, const ModelCard& card) {
  Result<DatasetPtr> data = open_image_folder(folder);
  if (!data) return data;
  if (!card.labels.empty()) return with_classes(std::move(*data), card.labels);
  const std::vector<std::string>& folders = (*data)->classes();
  if (static_cast<int64_t>(folders.size()) != card.num_classes)
    return Error{ErrorCode::Incompatible,
                 "the weights carry no labels and have " + std::to_string(card.num_classes) +
                     " classes, the data has " + std::to_string(folders.size()) + ": " + listed(folders),
                 "pass --labels-file with a line for each class"};
  say("the weights carry no labels: the sorted folders are taken, " + listed(folders));
  return data;
}

Result<JudgedData> judge_data(const Dataset& data, Classifier& classifier, unsigned workers, Unreadable unreadable) {
  JudgedData judged;
  judged.logits.classes = static_cast<size_t>(classifier.card().num_classes);
  Progress progress("judging", static_cast<int64_t>(data.size()));
  DecodeAhead pictures(data, workers, 2 * kChunk);
  for (size_t first = 0; first < data.size(); first += kChunk) {
    if (interrupted()) return interrupted_error();
    const std::vector<ReadPicture> chunk = pictures.next_batch(kChunk, true);
    if (Status status = judge_chunk(data, first, chunk, classifier, unreadable, judged); !status) return status.error();
    progress.advance(static_cast<int64_t>(chunk.size()));
  }
  return judged;
}

ClassificationScores scores_of(const LabelledLogits& logits, double temperature) {
  ClassificationMeter meter(logits.classes);
  for (size_t i = 0; i < logits.truths.size(); ++i)
    meter.add(logits.truths[i], confidences(logits.row(i), temperature));
  return meter.value();
}

std::vector<Mistake> worst_mistakes(const JudgedData& judged, const Dataset& data, double temperature) {
  std::vector<Mistake> mistakes;
  for (size_t i = 0; i < judged.indexes.size(); ++i) {
    const std::vector<double> sure = confidences(judged.logits.row(i), temperature);
    const size_t named = static_cast<size_t>(std::ranges::max_element(sure) - sure.begin());
    const size_t truth = judged.logits.truths[i];
    if (named == truth) continue;
    // The picture follows for those that stay.
    keep_worst(mistakes,
               {std::to_string(judged.indexes[i]), data.classes()[truth], data.classes()[named], sure[named], ""});
  }
  for (Mistake& mistake : mistakes) {
    const size_t index = std::stoull(mistake.path);
    mistake.path = data.name(index);
    if (const Result<DecodedImage> image = data.get(index); image) mistake.jpeg = thumbnail(image->view);
  }
  return mistakes;
}

}  // namespace resnetft::tool
