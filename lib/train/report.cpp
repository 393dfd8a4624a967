// SPDX-License-Identifier: MIT
#include "train/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/formatted.h"

namespace resnetft {
namespace {

constexpr size_t kMaxConfusionInText = 10;

std::string padded(std::string text, size_t width) {
  // Counts code points, not bytes, so that UTF-8 labels stand in line.
  size_t shown = 0;
  for (const char c : text) shown += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  if (shown < width) text.append(width - shown, ' ');
  return text;
}

size_t widest(const std::vector<std::string>& labels) {
  size_t width = 5;
  for (const std::string& label : labels) width = std::max(width, std::min<size_t>(label.size(), 40));
  return width;
}

}  // namespace

std::vector<Confusion> most_frequent_confusions(const ClassificationScores& scores, size_t count) {
  const size_t classes = scores.classes.size();
  std::vector<Confusion> all;
  for (size_t truth = 0; truth < classes; ++truth)
    for (size_t named = 0; named < classes; ++named)
      if (const int64_t images = scores.confusion[truth * classes + named]; images > 0 && truth != named)
        all.push_back({truth, named, images});
  std::ranges::stable_sort(all, [](const Confusion& a, const Confusion& b) { return a.images > b.images; });
  if (all.size() > count) all.resize(count);
  return all;
}

std::string evaluation_to_text(const Evaluation& evaluation) {
  const ClassificationScores& scores = evaluation.scores;
  std::string text;
  for (const auto& [name, value] : evaluation.facts) text += padded(name, 18) + value + "\n";
  text += formatted("top-1             %.2f %%\ntop-5             %.2f %%\n", 100 * scores.top1, 100 * scores.top5);
  text += formatted("loss              %.4f\nmacro-f1          %.4f\nece               %.4f\n\n", scores.loss,
                    scores.macro_f1, scores.ece);
  const size_t width = widest(evaluation.labels) + 2;
  text += padded("class", width) + "images  precision  recall      f1\n";
  for (size_t i = 0; i < scores.classes.size(); ++i) {
    const ClassScore& score = scores.classes[i];
    if (score.images == 0) continue;
    text += padded(evaluation.labels[i], width) + formatted("%6lld  %9.4f  %6.4f  %6.4f\n",
                                                            static_cast<long long>(score.images), score.precision,
                                                            score.recall, score.f1);
  }
  const std::vector<Confusion> confusions = most_frequent_confusions(scores, kMaxConfusionInText);
  if (!confusions.empty()) text += "\nmost frequent mistakes\n";
  for (const Confusion& confusion : confusions)
    text += formatted("%6lld  ", static_cast<long long>(confusion.images)) + evaluation.labels[confusion.truth] +
            " named " + evaluation.labels[confusion.named] + "\n";
  return text;
}

std::string scores_to_json_members(const ClassificationScores& scores, const std::vector<std::string>& labels) {
  using Json = nlohmann::ordered_json;
  Json json;
  json["images"] = scores.images;
  json["top1"] = scores.top1;
  json["top5"] = scores.top5;
  json["loss"] = scores.loss;
  json["macro-f1"] = scores.macro_f1;
  json["ece"] = scores.ece;
  json["classes"] = Json::array();
  json["confusion"] = Json::array();
  const size_t classes = scores.classes.size();
  for (size_t i = 0; i < classes; ++i) {
    const ClassScore& score = scores.classes[i];
    json["classes"].push_back({{"label", labels[i]},
                               {"images", score.images},
                               {"precision", score.precision},
                               {"recall", score.recall},
                               {"f1", score.f1}});
    const auto row = scores.confusion.begin() + static_cast<ptrdiff_t>(i * classes);
    json["confusion"].push_back(std::vector<int64_t>(row, row + static_cast<ptrdiff_t>(classes)));
  }
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.substr(1, text.size() - 2);
}

}  // namespace resnetft
