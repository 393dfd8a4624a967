// SPDX-License-Identifier: MIT
// Whether a candidate may take the place of the model that is shown: decided from what both say of the same held-out
// samples, by rule, and explained.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "resnetft/error.h"

namespace resnetft {

enum class GateMetric { MacroF1, Top1, Loss };
const char* gate_metric_name(GateMetric metric);  // "macro-f1"

struct GateRule {
  GateMetric metric = GateMetric::MacroF1;
  double min_delta = 0;           // the candidate must be better, and by at least this
  size_t min_samples = 60;        // held-out samples; below: undecided
  size_t min_per_class = 5;       // a class with fewer is listed, not judged
  double max_recall_drop = 0.05;  // of an old class; counts when it is more than kDropSamples samples, too
  double significance = 1;        // of McNemar's exact test over blocks; 1: off
};

inline constexpr size_t kGateDropSamples = 2;
inline constexpr size_t kGateDecidedBlocks = 6;  // 2 / 2^6 is the first two-sided p below 0.05

// The union of what the stream has named and, with classes=extend, of what the base knows.
struct GateClass {
  std::string name;
  bool old = false;  // the incumbent knows it
};

// What one model says of one held-out sample. `named` may be kNoGateClass: a class outside the union, or no model.
inline constexpr size_t kNoGateClass = std::numeric_limits<size_t>::max();
struct GateJudgement {
  size_t truth = 0;
  size_t named = kNoGateClass;
  double truth_confidence = 0;  // of the true class; 0 where the model does not know it
  uint64_t block = 0;           // hold-out block
};

enum class GateVerdict { Promoted, Rejected, Undecided };
const char* gate_verdict_name(GateVerdict verdict);  // "promoted"

// Over the samples of judged classes. A class's precision counts what other judged classes' samples were named it.
struct GateScores {
  double top1 = 0;
  double macro_f1 = 0;
  double loss = 0;  // mean negative logarithm of the true class's confidence, which counts as at least 1e-12
};
double metric_of(const GateScores& scores, GateMetric metric);

struct GateClassFigures {
  std::string name;
  size_t samples = 0;
  bool judged = false;
  bool old = false;
  size_t incumbent_correct = 0, candidate_correct = 0;
};

struct GateOutcome {
  GateVerdict verdict = GateVerdict::Undecided;
  std::string reason;  // a sentence with the figures that decided
  GateMetric metric = GateMetric::MacroF1;
  size_t samples = 0;         // held out, in all
  size_t judged_samples = 0;  // of judged classes
  GateScores incumbent, candidate;
  double delta = 0;  // in the metric, positive where the candidate is better
  std::vector<GateClassFigures> classes;
  size_t blocks_won = 0, blocks_lost = 0, blocks_tied = 0;  // by the candidate, in correct samples
  double p_value = 1;
  size_t rehearsal_samples = 0;
  double rehearsal_incumbent = 0, rehearsal_candidate = 0;  // in the metric
};

// The candidate and the incumbent over one list of samples: equal lengths, equal truths and blocks, truths below the
// number of classes.
struct GateLists {
  std::span<const GateJudgement> incumbent, candidate;
};

// Pure. Undecided: fewer than min_samples, no class with min_per_class, or, with significance below 1, fewer than 6
// blocks won or lost, or a test that does not reach it although the candidate is ahead. Rejected: not better by
// min_delta; an old class that lost more than max_recall_drop and more than two samples; worse on the rehearsal
// hold-out. InvalidArgument for lists that do not belong together.
Result<GateOutcome> judge_candidate(const GateLists& holdout, const GateLists& rehearsal,
                                    std::span<const GateClass> classes, const GateRule& rule);

// McNemar's exact test, two-sided: the probability that of won + lost fair coins at least as many fall on one side
// (McNemar 1947; exact form: Fagerland et al. 2013, section 2). 1 where both are 0.
double mcnemar_exact_p(size_t won, size_t lost);

}  // namespace resnetft
