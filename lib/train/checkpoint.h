// SPDX-License-Identifier: MIT
// A training run as a file: where it stands, what it was asked, and its tensors, as safetensors. Free of torch, so that
// the tool can look into one.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/weights.h"
#include "train/trainer.h"

namespace resnetft {

// Where a run stands. Everything else (order, augmentation, learning rate, plateau, patience) is a function of it and
// of the recipe.
struct RunState {
  uint32_t epochs = 0;   // that have ended, with their evaluation
  uint64_t batches = 0;  // of the epoch under way
  double loss_sum = 0;   // over the pictures of the epoch under way
  int64_t correct = 0;
  int64_t images = 0;
  uint64_t averagings = 0;           // of the EMA
  std::vector<EpochReport> history;  // without classes, confusion and bins
  uint32_t best_epoch = 0;           // meaningful where there is a history
  bool best_is_ema = false;
  ClassificationScores best_scores;  // whole
  std::set<std::string> corrupt;     // pictures that could not be decoded
  double seconds = 0;                // that training took so far
};

// What a resume must be the same in, and the machine, which only a warning is worth.
struct RunIdentity {
  std::vector<std::pair<std::string, std::string>> options;  // recipe_to_options()
  std::string train_manifest, validation_manifest;
  std::vector<std::string> classes;
  std::string model;  // architecture, normalisation and preprocessing, as text
  std::vector<std::pair<std::string, std::string>> machine;
};

struct Checkpoint {
  RunState state;
  RunIdentity identity;
  Weights tensors;
};

// Writes FOLDER/checkpoint-STEP.safetensors whole or not at all and removes all but the `keep` newest. `tensors` are
// sorted by name. Io.
Status write_checkpoint(const std::string& folder, uint64_t step, unsigned keep, const RunState& state,
                        const RunIdentity& identity, const std::vector<Tensor>& tensors);

// NotFound, Io; CorruptFile for what is not a checkpoint of a run.
Result<Checkpoint> read_checkpoint(const std::string& path);

// The newest of those that write_checkpoint() left in the folder. NotFound where there is none.
Result<std::string> latest_checkpoint(const std::string& folder);

// Incompatible, naming each thing that differs and both values.
Status check_resume(const std::string& path, const RunIdentity& then, const RunIdentity& now);

// What of the machine differs, as a sentence; empty: nothing.
std::string machine_difference(const RunIdentity& then, const RunIdentity& now);

}  // namespace resnetft
