// SPDX-License-Identifier: MIT
// How well a classifier does, rendered: once as text, once as JSON, once as a web page.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "train/meters.h"
#include "train/report_chart.h"

namespace resnetft {

// A picture that was named wrongly, and how sure the model was of it.
struct Mistake {
  std::string path;
  std::string truth;
  std::string named;
  double confidence = 0;
  std::string jpeg;  // a small picture of it; empty: none
};

using Facts = std::vector<std::pair<std::string, std::string>>;

// `labels`: one for each class of `scores`. `facts`: what was measured with what, shown as they are.
struct Evaluation {
  std::string title;
  std::vector<std::string> labels;
  ClassificationScores scores;
  Facts facts;
  std::vector<Mistake> mistakes;

  // Of a training run; the page alone shows them.
  std::vector<Chart> charts = {};
  std::optional<ClassificationScores> calibrated = {};           // after temperature scaling, where `scores` are before
  std::string calibration = {};                                  // a sentence on it
  std::vector<std::pair<std::string, Facts>> descriptions = {};  // of data, machine ..., each with its heading
};

// How often pictures of one class were named as another.
struct Confusion {
  size_t truth;
  size_t named;
  int64_t images;
};
// The most frequent first, up to `count`; ties by the classes' order.
std::vector<Confusion> most_frequent_confusions(const ClassificationScores& scores, size_t count);

// For a terminal: the totals, a table of the classes that have images, the most frequent mistakes.
std::string evaluation_to_text(const Evaluation& evaluation);

// The members "images", "top1", "top5", "loss", "macro-f1", "ece", "classes" and "confusion" (rows: true classes) of a
// JSON object, without its braces.
std::string scores_to_json_members(const ClassificationScores& scores, const std::vector<std::string>& labels);

// One file without references to any other: the totals, a confusion matrix (up to 50 classes; beyond, the most
// frequent confusions), a table of the classes, the reliability diagram, the mistakes with their pictures; of a
// training run its curves, the diagram after temperature scaling too, and the descriptions.
std::string evaluation_to_html(const Evaluation& evaluation);

// Text as HTML shows it, safe inside double quotes too.
std::string html_escaped(std::string_view text);

}  // namespace resnetft
