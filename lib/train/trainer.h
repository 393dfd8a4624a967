// SPDX-License-Identifier: MIT
// Trains a net on a dataset. Knows nothing of pipelines, folders or terminals; the tool and the live learner call the
// same function. It lives in the torch module.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "device/device_choice.h"
#include "train/meters.h"
#include "train/recipe.h"

namespace resnetft {

struct EpochReport {
  uint32_t epoch = 0;  // from 1; 0: the base before training
  double learning_rate = 0;
  double train_loss = 0, train_top1 = 0;
  std::optional<ClassificationScores> validation;      // of the plain weights
  std::optional<ClassificationScores> validation_ema;  // of the averaged ones
  double rate = 0;                                     // pictures a second that the epoch learned from
  bool on_features = false;  // not from their pixels, but from what frozen layers once made of them
  double seconds = 0;
  bool is_best = false;
};

struct TrainProgress {
  uint32_t epoch = 0, epochs = 0;
  uint64_t step = 0, steps = 0;  // of the epoch
  double loss = 0;
  double rate = 0;  // pictures or, if `on_features`, cached features a second
  bool on_features = false;
  double seconds_left = 0;
  std::string phase;  // "features", "train", "validate"
};

// Called on the training thread.
struct TrainObserver {
  std::function<void(const EpochReport&)> epoch = {};
  std::function<void(const TrainProgress&)> progress = {};
  std::function<void(const std::string& sentence)> note = {};  // decisions and warnings for people
  // The recipe, once the rate of a head on cached features is known too.
  std::function<void(const Recipe& recipe, const std::string& why)> resolved = {};
  std::function<void(double learning_rate, double loss)> step = {};  // after each of the optimiser; the pictures' mean
};

struct TrainSpec {
  std::shared_ptr<const Model> base;  // weights to begin with, or none
  ModelCard card;                     // of what is trained: architecture, labels, normalisation, preprocessing
  Recipe recipe;                      // resolved, as far as resolve_recipe() can
  DatasetPtr train;
  DatasetPtr validation;          // classes as in `train`
  std::string checkpoint_folder;  // empty: none are written
  std::string resume_file;        // a checkpoint to go on from; empty: begin
  // What the layers before the head make of each picture, where the caller knows it; then no picture is read. For
  // recipes that train the head alone. Borrowed.
  std::vector<std::span<const float>> train_features = {}, validation_features = {};
  std::set<std::string> known_corrupt = {};  // names of pictures that cannot be decoded, as far as somebody has said so
  Device device = {};                        // where the net learns and is judged; choose_training_device() finds one
  // Called on the training thread after every batch and every block of the net, forward and, on the CPU, backward: may
  // sleep. Who gives one does other things meanwhile: on a GPU cuDNN's algorithms are not timed then.
  std::function<void()> pause_point = {};
};

enum class Stopped { Completed, Early, Time, Signal };

struct TrainOutcome {
  std::shared_ptr<const Model> model;  // the best by the metric; none before the first epoch has ended
  uint32_t epochs = 0, best_epoch = 0;
  bool best_is_ema = false;
  ClassificationScores scores;       // of the model on `validation`
  std::vector<EpochReport> history;  // the whole run's, also what came before a resume
  Stopped stopped = Stopped::Completed;
  std::optional<Error> diverged;  // the loss was not finite: the step and hints; `model` is the best before it, or none
  double seconds = 0;
  double images_per_second = 0;    // that the network learned from or computed features of, while it did
  double features_per_second = 0;  // that were learned from instead of pictures; 0: none
  size_t skipped_images = 0;
};

// Incompatible where a resume differs in what changes the result, naming it; CorruptFile where pictures beyond the
// budget cannot be decoded; OutOfMemory with the batch that would fit; Io; DeviceUnavailable
// where LibTorch cannot use the device. A stop request ends the run at the next
// pause point, with a checkpoint of before the step under way. DeviceUnavailable, Incompatible as torch_module(). A
// loss that is not finite is an outcome, not an error, so that the best model before it is not lost.
Result<TrainOutcome> train(const TrainSpec& spec, const TrainObserver& observer, std::stop_token stop);

}  // namespace resnetft
