// SPDX-License-Identifier: MIT
// What a model says of every picture of a dataset: for calibration, reports and the choice between models.
#pragma once

#include <vector>

#include "data/dataset.h"
#include "resnetft/classifier.h"
#include "train/calibration.h"
#include "train/report.h"

namespace resnetft::tool {

struct JudgedData {
  LabelledLogits logits;
  std::vector<size_t> indexes;  // into the dataset, one for each row
  size_t failed = 0;            // pictures that could not be decoded
};

// FOLDER/CLASS/picture with the classes of `card`, matched by name; a card without labels takes the sorted folders
// where there are as many, and says so. NotFound, Io; the errors of with_classes().
Result<DatasetPtr> open_labelled_folder(const std::string& folder, const ModelCard& card);

// What is said of pictures that cannot be decoded.
enum class Unreadable { Named, Known };

// `data` has the model's classes. Cancelled after a signal; the errors of classify().
Result<JudgedData> judge_data(const Dataset& data, Classifier& classifier, unsigned workers,
                              Unreadable unreadable = Unreadable::Named);

// With that temperature.
ClassificationScores scores_of(const LabelledLogits& logits, double temperature);

// The surest mistakes, with small pictures.
std::vector<Mistake> worst_mistakes(const JudgedData& judged, const Dataset& data, double temperature);

}  // namespace resnetft::tool
