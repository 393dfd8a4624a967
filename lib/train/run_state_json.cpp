// SPDX-License-Identifier: MIT
#include "train/run_state_json.h"

#include <bit>
#include <nlohmann/json.hpp>

namespace resnetft {
namespace {

using Json = nlohmann::json;
using Options = std::vector<std::pair<std::string, std::string>>;

// A double as its bits: JSON has no infinity, and a checkpoint must not depend on how a library prints numbers.
uint64_t bits(double value) { return std::bit_cast<uint64_t>(value); }
double number(const Json& json) { return std::bit_cast<double>(json.get<uint64_t>()); }

Json scores_to_json(const ClassificationScores& scores) {
  Json classes = Json::array(), bins = Json::array();
  for (const ClassScore& score : scores.classes)
    classes.push_back({score.images, bits(score.precision), bits(score.recall), bits(score.f1)});
  for (const CalibrationBin& bin : scores.bins) bins.push_back({bin.images, bits(bin.confidence), bits(bin.accuracy)});
  return {{"images", scores.images},
          {"top1", bits(scores.top1)},
          {"top5", bits(scores.top5)},
          {"loss", bits(scores.loss)},
          {"macro-f1", bits(scores.macro_f1)},
          {"ece", bits(scores.ece)},
          {"classes", classes},
          {"bins", bins}};
}

ClassificationScores scores_from_json(const Json& json) {
  ClassificationScores scores;
  scores.images = json.at("images").get<int64_t>();
  scores.top1 = number(json.at("top1"));
  scores.top5 = number(json.at("top5"));
  scores.loss = number(json.at("loss"));
  scores.macro_f1 = number(json.at("macro-f1"));
  scores.ece = number(json.at("ece"));
  for (const Json& row : json.at("classes"))
    scores.classes.push_back({row.at(0).get<int64_t>(), number(row.at(1)), number(row.at(2)), number(row.at(3))});
  const Json& bins = json.at("bins");
  for (size_t i = 0; i < scores.bins.size(); ++i)
    scores.bins[i] = {bins.at(i).at(0).get<int64_t>(), number(bins.at(i).at(1)), number(bins.at(i).at(2))};
  return scores;
}

Json optional_scores(const std::optional<ClassificationScores>& scores) {
  return scores ? scores_to_json(*scores) : Json();
}

std::optional<ClassificationScores> optional_scores(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return scores_from_json(json);
}

Json report_to_json(const EpochReport& report) {
  return {{"epoch", report.epoch},
          {"lr", bits(report.learning_rate)},
          {"train-loss", bits(report.train_loss)},
          {"train-top1", bits(report.train_top1)},
          {"validation", optional_scores(report.validation)},
          {"validation-ema", optional_scores(report.validation_ema)},
          {"rate", bits(report.rate)},
          {"on-features", report.on_features},
          {"seconds", bits(report.seconds)},
          {"is-best", report.is_best}};
}

EpochReport report_from_json(const Json& json) {
  EpochReport report;
  report.epoch = json.at("epoch").get<uint32_t>();
  report.learning_rate = number(json.at("lr"));
  report.train_loss = number(json.at("train-loss"));
  report.train_top1 = number(json.at("train-top1"));
  report.validation = optional_scores(json.at("validation"));
  report.validation_ema = optional_scores(json.at("validation-ema"));
  report.rate = number(json.at("rate"));
  report.on_features = json.at("on-features").get<bool>();
  report.seconds = number(json.at("seconds"));
  report.is_best = json.at("is-best").get<bool>();
  return report;
}

}  // namespace

Json run_state_to_json(const RunState& state) {
  Json history = Json::array();
  for (const EpochReport& report : state.history) history.push_back(report_to_json(report));
  return {{"epochs", state.epochs},
          {"batches", state.batches},
          {"loss-sum", bits(state.loss_sum)},
          {"correct", state.correct},
          {"images", state.images},
          {"averagings", state.averagings},
          {"history", history},
          {"best-epoch", state.best_epoch},
          {"best-is-ema", state.best_is_ema},
          {"best-scores", scores_to_json(state.best_scores)},
          {"corrupt", state.corrupt},
          {"seconds", bits(state.seconds)}};
}

RunState run_state_from_json(const Json& json) {
  RunState state;
  state.epochs = json.at("epochs").get<uint32_t>();
  state.batches = json.at("batches").get<uint64_t>();
  state.loss_sum = number(json.at("loss-sum"));
  state.correct = json.at("correct").get<int64_t>();
  state.images = json.at("images").get<int64_t>();
  state.averagings = json.at("averagings").get<uint64_t>();
  for (const Json& report : json.at("history")) state.history.push_back(report_from_json(report));
  state.best_epoch = json.at("best-epoch").get<uint32_t>();
  state.best_is_ema = json.at("best-is-ema").get<bool>();
  state.best_scores = scores_from_json(json.at("best-scores"));
  state.corrupt = json.at("corrupt").get<std::set<std::string>>();
  state.seconds = number(json.at("seconds"));
  return state;
}

Json run_identity_to_json(const RunIdentity& identity) {
  return {{"options", identity.options},
          {"train-manifest", identity.train_manifest},
          {"validation-manifest", identity.validation_manifest},
          {"classes", identity.classes},
          {"model", identity.model},
          {"machine", identity.machine}};
}

RunIdentity run_identity_from_json(const Json& json) {
  return {json.at("options").get<Options>(),
          json.at("train-manifest").get<std::string>(),
          json.at("validation-manifest").get<std::string>(),
          json.at("classes").get<std::vector<std::string>>(),
          json.at("model").get<std::string>(),
          json.at("machine").get<Options>()};
}

}  // namespace resnetft
