// SPDX-License-Identifier: MIT
// What ft-tool predict says of one picture, and the three ways to write it.
#pragma once

#include <string>
#include <vector>

#include "resnetft/classifier.h"
#include "resnetft/error.h"

namespace resnetft::tool {

struct Prediction {
  std::string path;
  Result<Judgement> judgement;
};

struct PredictionParts {
  bool logits = false;
  bool embedding = false;
};

// A JSON object without an end of line: {path, top: [{label, label-id, confidence}], logits?, embedding?} or {path,
// error: {code, message}}. Bytes that are not UTF-8 become U+FFFD.
std::string prediction_to_json(const Prediction& prediction, const PredictionParts& parts);

// "PATH: LABEL 0.98, LABEL 0.01" and an end of line; control characters are written as \n, \t, \xNN.
std::string prediction_to_text(const Prediction& prediction, const PredictionParts& parts);

// RFC 4180: a row for each class named, or one for an error. The header has the same parts.
std::string csv_header(const PredictionParts& parts);
std::string prediction_to_csv(const Prediction& prediction, const PredictionParts& parts);

}  // namespace resnetft::tool
