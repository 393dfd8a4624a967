// SPDX-License-Identifier: MIT
// What two models say of the same held-out samples, as the gate wants it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "live/feature_maker.h"
#include "live/gate.h"
#include "live/learning_set.h"
#include "live/linear_head.h"
#include "train/calibration.h"

namespace resnetft {

// One model as a judge: from a sample's feature where the model's own layers made it, else from its picture. For one
// thread.
class SampleJudge {
 public:
  // `origin`: feature_origin() of the model.
  static Result<SampleJudge> create(std::shared_ptr<const Snapshot> snapshot, std::string origin, const Device& device,
                                    unsigned threads);

  const LinearHead& head() const { return head_; }
  const Model& model() const { return snapshot_->model(); }

  // None: the feature is of other layers, and there is no picture.
  Result<std::optional<std::vector<float>>> logits(const Lesson& lesson);

 private:
  SampleJudge(std::shared_ptr<const Snapshot> snapshot, LinearHead head, std::string origin, const Device& device,
              unsigned threads);
  Result<std::optional<std::vector<float>>> from_picture(const Lesson& lesson);

  std::shared_ptr<const Snapshot> snapshot_;
  LinearHead head_;
  std::string origin_;
  Device device_;
  unsigned threads_;
  std::unique_ptr<FeatureMaker> maker_;  // made when it is needed: it costs an engine
};

// What one model says of samples that both could judge.
struct ModelAnswers {
  std::vector<std::vector<float>> logits;
  std::vector<std::optional<size_t>> truths;  // among the model's own classes
  std::vector<size_t> places;                 // of these among the gate's
};
struct AnsweredPair {
  ModelAnswers incumbent, candidate;
  std::vector<size_t> truths;  // among the gate's classes
  std::vector<uint64_t> blocks;
};

// `go_on` is asked before each sample: false ends in Cancelled. Labels of the lessons are among `classes`. Samples that
// one of the two cannot judge are left out.
Result<AnsweredPair> ask_both(SampleJudge& incumbent, SampleJudge& candidate, std::span<const Lesson> lessons,
                              const std::vector<GateClass>& classes, const std::function<bool()>& go_on);

// By calibrate() on samples whose class the model knows; `old` where that is too little.
struct FittedTemperature {
  double value;
  bool fitted;
};
FittedTemperature temperature_for(const ModelAnswers& answers, double old);

struct Temperatures {
  double incumbent, candidate;
};
struct JudgedPair {
  std::vector<GateJudgement> incumbent, candidate;
};
JudgedPair judge_answers(const AnsweredPair& answers, const Temperatures& temperatures);

}  // namespace resnetft
