// SPDX-License-Identifier: MIT
// The folder that a training run leaves: model.safetensors, checkpoints/, metrics.jsonl and summary.csv (a line for
// each epoch), args.ini that repeats the run, report.html. Each file is written whole or not at all.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resnetft/error.h"
#include "resnetft/model.h"
#include "train/report_chart.h"
#include "train/trainer.h"

namespace resnetft {

enum class RunStart { New, Resume };

// For one thread.
class RunFolder {
 public:
  // Makes the folder where there is none. Io where it cannot be written; Incompatible where a new run would be mixed
  // with one that is there. Resume: the epochs of the run that is there are kept until add_epoch() cuts them.
  static Result<RunFolder> open(const std::string& path, RunStart start);
  // Takes the folder away again where a run came to nothing before it wrote a file.
  void remove_if_empty() const;

  std::string model_file() const { return path_ + "/model.safetensors"; }
  std::string checkpoint_folder() const { return path_ + "/checkpoints"; }
  std::string arguments_file() const { return path_ + "/args.ini"; }
  std::string report_file() const { return path_ + "/report.html"; }

  // metrics.jsonl and summary.csv end with this epoch: later ones, of a run that was cut back to a checkpoint, go.
  Status add_epoch(const EpochReport& report);
  // Both files with these epochs and no others.
  Status replace_epochs(std::span<const EpochReport> history);
  Status write_arguments(std::string_view ini);
  Status write_report(std::string_view html);

 private:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}
  void read_epochs();
  Status write_epochs() const;

  struct EpochLines {
    std::string json, csv;
  };
  std::string path_;
  std::map<uint32_t, EpochLines> epochs_;
};

// What the card says of where a model comes from: a JSON object.
struct Provenance {
  std::string parent_sha256;  // empty: trained from scratch
  const Dataset& train;
  const Dataset& validation;
  const Recipe& recipe;
  const ClassificationScores& scores;  // on `validation`
  uint32_t epochs = 0, best_epoch = 0;
  bool averaged_weights = false;
};
std::string provenance_to_json(const Provenance& provenance);

// Loss, top-1 and learning rate over the epochs.
std::vector<Chart> training_charts(std::span<const EpochReport> history);

}  // namespace resnetft
