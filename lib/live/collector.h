// SPDX-License-Identifier: MIT
// From labelled pictures to samples: features, the store, the instant head's statistics, and what the model that is
// shown says of each sample before it is learned from.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "live/accuracy_watch.h"
#include "live/feature_maker.h"
#include "live/head_rows.h"
#include "live/instant_head.h"
#include "live/learner_shared.h"
#include "live/learning_set.h"
#include "live/rehearsal.h"
#include "live/replay_store.h"

namespace resnetft {

// For the learner's thread.
class Collector {
 public:
  using GoOn = std::function<bool()>;

  Collector(LearnerShared& shared, std::unique_ptr<ReplayStore> store, Rehearsal rehearsal);

  // Samples are judged by this snapshot, and features are of its layers, from now on. Cheap where only the head
  // changed; else features are made anew by refresh(). Errors of FeatureMaker and Model::weights.
  Status follow(const ModelHub::Current& now);
  // Makes the missing features of samples and seed dataset. Cancelled.
  Status refresh(const GoOn& go_on);

  // Labelled candidates of the ring, in order.
  void collect();
  void add(const Candidate& candidate);
  // Waits until the store's file is on the disk.
  void sync();
  // Posts requests for unlabelled candidates that the model is not sure of, at most LearnerShared::kMostRequests that
  // wait.
  void ask_for_labels();

  const ModelHub::Current& incumbent() const { return incumbent_; }
  const LinearHead& incumbent_head() const { return head_; }
  const std::string& feature_origin() const { return origin_; }
  AccuracyWatch& watch() { return watch_; }

  // What a model is to know now: see LearnerSpec::classes.
  std::vector<std::string> classes() const;
  // Samples with usable features, by id; those of the seed dataset apart.
  std::vector<Lesson> lessons(HoldoutSide side, const std::vector<std::string>& classes) const;
  std::vector<Lesson> rehearsed(HoldoutSide side, const std::vector<std::string>& classes) const;
  StoreCounts counts() const { return store_->counts(); }
  uint64_t new_train_samples() const { return new_train_; }
  void forget_new_train_samples() { new_train_ = 0; }

  // Whether an instant head would differ enough from the one that was taken last.
  bool instant_is_due() const { return instant_due_; }
  // Takes it: from the samples of every class, or, where there are none of a class that the incumbent knows, the
  // incumbent's head with class means as rows for the others. None: there are not two classes.
  Result<std::optional<LinearHead>> take_instant_head(InstantHeadKind kind);

 private:
  void keep(Sample sample, const LearnerRules& rules);
  void look_at_file();
  void note_kept(const Sample& sample, SampleFate fate);
  bool refuses(const std::string& label, const LearnerRules& rules);
  bool is_sure_and_right(const std::vector<float>& logits, const std::string& label) const;
  void schedule_instant(const std::string& label);
  void rebuild_instant(InstantHeadKind kind);
  void request_label(const Candidate& candidate);
  void show_counts();

  LearnerShared& shared_;
  std::unique_ptr<ReplayStore> store_;
  Rehearsal rehearsal_;
  ModelHub::Current incumbent_;
  LinearHead head_;
  std::string origin_;
  bool incumbent_is_ours_ = false, file_failed_ = false;
  std::unique_ptr<FeatureMaker> maker_;
  AccuracyWatch watch_;
  uint64_t new_train_ = 0, sure_ = 0, refused_ = 0;
  std::set<std::string> refused_labels_;

  std::optional<InstantHead> instant_;
  InstantHeadKind instant_kind_ = InstantHeadKind::Off;
  bool instant_stale_ = true, instant_due_ = false;
  std::map<std::string, uint64_t> instant_samples_;  // of each class, since the learner began
  uint64_t since_instant_ = 0;

  uint64_t last_looked_ = 0;  // the number of a candidate
};

}  // namespace resnetft
