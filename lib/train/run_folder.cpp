// SPDX-License-Identifier: MIT
#include "train/run_folder.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

#include "base/atomic_file.h"

namespace resnetft {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr char kMetrics[] = "/metrics.jsonl", kSummary[] = "/summary.csv";

std::string json_text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// The shortest text that reads back as the same number: equal runs leave equal files.
std::string number(double value) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

Json scores_json(const ClassificationScores& scores) {
  return {{"loss", scores.loss},
          {"top1", scores.top1},
          {"top5", scores.top5},
          {"macro-f1", scores.macro_f1},
          {"ece", scores.ece}};
}

// Epoch 0 has trained nothing.
std::string json_line(const EpochReport& report) {
  Json json{{"epoch", report.epoch}};
  if (report.epoch > 0) {
    json["learning-rate"] = report.learning_rate;
    json["train-loss"] = report.train_loss;
    json["train-top1"] = report.train_top1;
  }
  if (report.validation) json["validation"] = scores_json(*report.validation);
  if (report.validation_ema) json["validation-ema"] = scores_json(*report.validation_ema);
  json["best"] = report.is_best;
  json[report.on_features ? "features-per-second" : "images-per-second"] = report.rate;
  json["seconds"] = report.seconds;
  return json_text(json);
}

constexpr char kCsvHeader[] =
    "epoch,learning-rate,train-loss,train-top1,loss,top1,top5,macro-f1,ece,ema-loss,ema-top1,ema-top5,ema-macro-f1,"
    "ema-ece,best,images-per-second,features-per-second,seconds";

std::string scores_csv(const std::optional<ClassificationScores>& scores) {
  if (!scores) return ",,,,,";
  std::string text;
  for (const double value : {scores->loss, scores->top1, scores->top5, scores->macro_f1, scores->ece})
    text.append(",").append(number(value));
  return text;
}

std::string csv_line(const EpochReport& report) {
  std::string text = std::to_string(report.epoch);
  for (const double value : {report.learning_rate, report.train_loss, report.train_top1})
    text.append(",").append(report.epoch > 0 ? number(value) : "");
  text += scores_csv(report.validation) + scores_csv(report.validation_ema);
  const std::string rate = number(report.rate);
  text.append(report.is_best ? ",1," : ",0,").append(report.on_features ? "," + rate : rate + ",");
  return text.append(",").append(number(report.seconds));
}

// The lines of a file by the epoch that `epoch_of` finds in them; what is none of ours is dropped.
template <class EpochOf>
std::map<uint32_t, std::string> lines_by_epoch(const std::string& path, EpochOf epoch_of) {
  std::map<uint32_t, std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (const std::optional<uint32_t> epoch = epoch_of(line)) lines[*epoch] = line;
  return lines;
}

std::optional<uint32_t> epoch_of_json(const std::string& line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("epoch") || !json["epoch"].is_number_unsigned()) return std::nullopt;
  return json["epoch"].get<uint32_t>();
}

std::optional<uint32_t> epoch_of_csv(const std::string& line) {
  uint32_t epoch = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), epoch);
  if (error != std::errc() || end == line.data() + line.size() || *end != ',') return std::nullopt;
  return epoch;
}

// What was begun and left no checkpoint has nothing that could be lost.
bool holds_a_run(const std::string& path) {
  std::error_code ignored;
  if (fs::exists(path + "/model.safetensors", ignored)) return true;
  return fs::is_directory(path + "/checkpoints", ignored) && !fs::is_empty(path + "/checkpoints", ignored);
}

// What a run that was killed was writing: the files that write_file_atomically() would have renamed.
void remove_unfinished(const std::string& folder) {
  constexpr std::string_view kOurs[] = {"checkpoint-",  "model.safetensors.", "metrics.jsonl.",
                                        "summary.csv.", "args.ini.",          "report.html."};
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.ends_with(".part") && std::ranges::any_of(kOurs, [&](auto ours) { return name.starts_with(ours); }))
      found.push_back(entry->path());
  }
  for (const fs::path& path : found) fs::remove(path, error);
}

Json data_json(const Dataset& data) { return {{"manifest", data.manifest_hash()}, {"images", data.size()}}; }

}  // namespace

Result<RunFolder> RunFolder::open(const std::string& path, RunStart start) {
  if (start == RunStart::New && holds_a_run(path))
    return Error{ErrorCode::Incompatible, "the output '" + path + "' already holds a run",
                 "pass --resume auto to go on with it, or another --output"};
  RunFolder folder(path);
  std::error_code error;
  fs::create_directories(folder.checkpoint_folder(), error);
  if (error)
    return Error{ErrorCode::Io, "cannot make the folder '" + folder.checkpoint_folder() + "': " + error.message(),
                 "check --output and its permissions"};
  remove_unfinished(path);
  remove_unfinished(folder.checkpoint_folder());
  if (start == RunStart::Resume) folder.read_epochs();
  return folder;
}

void RunFolder::remove_if_empty() const {
  std::error_code not_empty;  // then both stay
  fs::remove(checkpoint_folder(), not_empty);
  fs::remove(path_, not_empty);
}

void RunFolder::read_epochs() {
  for (auto& [epoch, line] : lines_by_epoch(path_ + kMetrics, epoch_of_json)) epochs_[epoch].json = line;
  for (auto& [epoch, line] : lines_by_epoch(path_ + kSummary, epoch_of_csv)) epochs_[epoch].csv = line;
}

Status RunFolder::add_epoch(const EpochReport& report) {
  epochs_.erase(epochs_.lower_bound(report.epoch), epochs_.end());
  epochs_[report.epoch] = {json_line(report), csv_line(report)};
  return write_epochs();
}

Status RunFolder::replace_epochs(std::span<const EpochReport> history) {
  epochs_.clear();
  for (const EpochReport& report : history) epochs_[report.epoch] = {json_line(report), csv_line(report)};
  return write_epochs();
}

Status RunFolder::write_epochs() const {
  std::string json, csv = std::string(kCsvHeader) + "\n";
  for (const auto& [epoch, lines] : epochs_) {
    if (!lines.json.empty()) json += lines.json + "\n";
    if (!lines.csv.empty()) csv += lines.csv + "\n";
  }
  if (Status status = write_file_atomically(path_ + kMetrics, json); !status) return status;
  return write_file_atomically(path_ + kSummary, csv);
}

Status RunFolder::write_arguments(std::string_view ini) { return write_file_atomically(arguments_file(), ini); }
Status RunFolder::write_report(std::string_view html) { return write_file_atomically(report_file(), html); }

std::string provenance_to_json(const Provenance& provenance) {
  Json json;
  json["parent"] = provenance.parent_sha256.empty() ? Json() : Json(provenance.parent_sha256);
  json["data"] = {{"training", data_json(provenance.train)}, {"validation", data_json(provenance.validation)}};
  for (const auto& [name, value] : recipe_to_options(provenance.recipe)) json["recipe"][name] = value;
  json["metrics"] = scores_json(provenance.scores);
  json["epochs"] = provenance.epochs;
  json["best-epoch"] = provenance.best_epoch;
  json["averaged-weights"] = provenance.averaged_weights;
  json["seed"] = provenance.recipe.seed;
  json["fast-decode"] = provenance.recipe.fast_decode;
  return json_text(json);
}

std::vector<Chart> training_charts(std::span<const EpochReport> history) {
  Chart loss{"loss", "epoch", {{"training", {}}, {"validation", {}}}};
  Chart top1{"top-1", "epoch", {{"training", {}}, {"validation", {}}}};
  Chart rate{"learning rate", "epoch", {{"at the epoch's end", {}}}};
  ChartLine ema_loss{"averaged weights", {}}, ema_top1{"averaged weights", {}};
  for (const EpochReport& report : history) {
    const double epoch = report.epoch;
    if (report.epoch > 0) {
      loss.lines[0].points.emplace_back(epoch, report.train_loss);
      top1.lines[0].points.emplace_back(epoch, report.train_top1);
      rate.lines[0].points.emplace_back(epoch, report.learning_rate);
    }
    if (report.validation) {
      loss.lines[1].points.emplace_back(epoch, report.validation->loss);
      top1.lines[1].points.emplace_back(epoch, report.validation->top1);
    }
    if (report.validation_ema) {
      ema_loss.points.emplace_back(epoch, report.validation_ema->loss);
      ema_top1.points.emplace_back(epoch, report.validation_ema->top1);
    }
  }
  if (!ema_loss.points.empty()) {
    loss.lines.push_back(std::move(ema_loss));
    top1.lines.push_back(std::move(ema_top1));
  }
  return {std::move(loss), std::move(top1), std::move(rate)};
}

}  // namespace resnetft
