// SPDX-License-Identifier: MIT
// What the parts of a run share: what was asked, where it stands, and how to speak to the caller.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <set>
#include <stop_token>
#include <string>

#include "model/torch/resnet.h"
#include "train/checkpoint.h"
#include "train/torch/frame_source.h"
#include "train/torch/named_tensors.h"
#include "train/torch/phase.h"
#include "train/trainer.h"

namespace resnetft {

// Whether a part of the run may go on, or why it may not.
enum class Going { On, Time, Signal, Diverged };

// Thrown where a pause point finds that somebody asked to stop.
struct Cancelled : std::exception {
  const char* what() const noexcept override { return "stopped"; }
};

// What `body` returns, a Result or a Status, or the error Cancelled where a pause point ended it.
template <class Body>
auto until_cancelled(Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Cancelled&) {
    return Error{ErrorCode::Cancelled, "training was stopped", ""};
  }
}

// Pictures, and the seconds that they took.
struct Work {
  double pictures = 0, seconds = 0;
  void add(double more_pictures, double more_seconds) {
    pictures += more_pictures;
    seconds += more_seconds;
  }
  double rate() const { return seconds > 0 ? pictures / seconds : 0; }
};

class RunContext {
 public:
  RunContext(const TrainSpec& spec, const TrainObserver& observer, PreprocessorFactory preprocessors,
             std::stop_token stop);

  const TrainSpec& spec;
  const TrainObserver& observer;
  const PreprocessorFactory preprocessors;  // of the net's device; none: the CPU augments
  double lr;                                // the recipe's, or what it became once the features were known; 0: not yet
  std::shared_ptr<ResNet> net;
  ModelCard card;
  NamedTensors tensors;  // of the net
  RunState state;
  RunIdentity identity;
  NamedTensors best;              // weights of the best epoch so far
  std::optional<Error> diverged;  // set with Going::Diverged
  uint64_t steps_done = 0;        // of the optimiser, over the run
  CorruptLog corrupt;
  Work computed;      // of features
  double waited = 0;  // seconds that a GPU had no batch to learn from

  // Keeps the rate that followed from features.
  void resolve_rate(double rate);
  // Tells the caller what it became.
  void tell_rate(const std::string& why) const;
  void note(const std::string& sentence) const;
  // Unless it was said before.
  void note_once(const std::string& sentence);
  Going may_go_on() const;
  // Lets the caller sleep. Throws Cancelled.
  void pause_point() const;
  double seconds() const;  // since this session began
  // Tells the caller, at most ten times a second and whenever a phase begins.
  void progress(const TrainProgress& progress);
  Status save(const PhaseParts& parts) const;

 private:
  using Clock = std::chrono::steady_clock;
  std::stop_token stop_;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point last_progress_;
  std::string last_phase_;
  std::set<std::string> noted_;
};

// Trains the epoch under way, from state.batches on, to its end or to where it has to stop.
Result<Going> train_epoch(RunContext& run, const Phase& phase, PhaseParts& parts, TrainStep& step, EpochReport& report);

// Judges plain and averaged weights, keeps the better one where it is the best so far, reports, and ends the epoch.
Result<Going> finish_epoch(RunContext& run, const Phase& phase, PhaseParts& parts, EpochReport report);

// What the history keeps of an epoch: a thousand classes' confusion would make checkpoints of it.
EpochReport without_details(EpochReport report);

// The epoch that first had the highest merit of all, 0 before the first.
uint32_t last_gain(const Recipe& recipe, const RunState& state);

// The value of recipe.eval_metric, higher for better.
double merit(const Recipe& recipe, const ClassificationScores& scores);

}  // namespace resnetft
