// SPDX-License-Identifier: MIT
// What the learner's thread does, round after round: collect, show an instant head, train, judge, promote.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "live/candidate_judge.h"
#include "live/collector.h"
#include "live/duty_cycle.h"
#include "live/learner_shared.h"
#include "live/promoter.h"
#include "live/training_run.h"

namespace resnetft {

// For the learner's thread, or the caller's where the learner has none.
class LearnerLoop {
 public:
  LearnerLoop(LearnerShared& shared, std::unique_ptr<ReplayStore> store, Rehearsal rehearsal, GenerationFiles files);

  // Before the first round, with a hub that shows a model.
  Status begin();
  // Rounds until the learner stops.
  void serve();
  // One round; true: there may be more to do at once. Errors become messages.
  bool turn();
  // Samples that wait, nothing else.
  void collect();

  // Asked for from outside.
  void ask_to_train() { train_asked_ = true; }
  void promote_pending();
  void drop_pending() { pending_.reset(); }
  void roll_back(const std::string& reason);
  void add(const Candidate& candidate) { collector_.add(candidate); }
  void note(std::string sentence) { notes_.push_back(std::move(sentence)); }

 private:
  using Clock = std::chrono::steady_clock;

  bool guarded(const std::function<bool()>& body);
  bool work();
  void run_tasks();
  void show_state();
  // At every pause point of a run: collects, rests; false: the run is to end.
  bool pause();
  void rest();

  void consider_instant();
  bool instant_may_show(const std::vector<std::string>& classes, bool gated) const;
  void offer_instant(const LinearHead& head, const LearnerRules& rules);
  void judge_instant(Contender contender, const LearnerRules& rules);
  size_t holdout_samples() const;
  double held_out_temperature(const LinearHead& head) const;

  bool wants_run(const LearnerRules& rules);
  void run(const LearnerRules& rules);
  Status guarded_run(const LearnerRules& rules);
  Status perform_run(const LearnerRules& rules);
  void begin_run(const TrainingPlan& plan);
  Result<std::shared_ptr<const Model>> train_plan(const TrainingPlan& plan);
  Result<Contender> contender_of(const TrainingPlan& plan, const std::shared_ptr<const Model>& model) const;
  TrainingPlan make_plan(const LearnerRules& rules) const;
  std::string what_is_missing(const TrainingPlan& plan, const LearnerRules& rules) const;
  std::string missing_classes(const TrainingPlan& plan, const LearnerRules& rules) const;
  void not_trained(const std::string& reason);
  TrainObserver observer_of_run(const Recipe& recipe);

  Result<GateOutcome> judge(Contender& contender, const LearnerRules& rules);
  Status conclude(Contender contender, const GateOutcome& outcome, const LearnerRules& rules);
  void judge_waiting(const LearnerRules& rules);
  void show_gate(const GateOutcome& outcome);

  LearnerShared& shared_;
  Collector collector_;
  Promoter promoter_;
  DutyCycle duty_;
  std::stop_token run_token_;
  bool pausing_ = false, running_ = false, train_asked_ = false, manual_ = false, began_ = false;
  Clock::time_point last_collected_, next_instant_;
  bool instant_waits_ = false;  // for next_instant_
  uint64_t run_ = 0, synced_at_ = 0;
  std::string not_trained_;                     // the reason that was told last
  std::optional<GateVerdict> instant_verdict_;  // that was told last
  std::optional<Contender> pending_;            // promotion=ask
  std::optional<Contender> waiting_;            // undecided
  size_t waiting_since_ = 0;                    // held-out samples then
  std::vector<std::string> notes_;              // for the next run's message
};

}  // namespace resnetft
