// SPDX-License-Identifier: MIT
// One training run: from a plan to a model, through the trainer that ft-tool train uses.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "live/head_rows.h"
#include "live/learning_set.h"
#include "train/trainer.h"

namespace resnetft {

// What a run learns and from what: taken once, so that what comes meanwhile belongs to the next.
struct TrainingPlan {
  std::shared_ptr<const Model> base;
  LinearHead base_head;
  std::vector<std::string> classes;
  std::vector<Lesson> train;      // live and rehearsed
  std::vector<Lesson> holdout;    // live
  std::vector<Lesson> rehearsal;  // held out of the seed dataset
  std::string manifest;           // of `train`
  Recipe recipe;                  // resolved
  Device device;
  std::vector<std::string> notes;
};

// Counts of training samples, as the plan's classes stand.
std::vector<size_t> lessons_per_class(const TrainingPlan& plan);

// Fills recipe and notes: the rules' recipe with what `auto` becomes.
void resolve_plan(TrainingPlan& plan, Recipe recipe, Trainable trainable, unsigned threads, uint64_t seed);

// Errors as train(). A run that was stopped or diverged is an outcome.
Result<TrainOutcome> run_plan(const TrainingPlan& plan, const TrainObserver& observer,
                              std::function<void()> pause_point, std::stop_token stop);

}  // namespace resnetft
