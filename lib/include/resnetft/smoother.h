// SPDX-License-Identifier: MIT
// From judgements of single frames to a steady label: smoothing over time, a threshold, a minimal dwell.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "resnetft/classifier.h"

namespace resnetft {

// None: each judgement stands for itself. Ema: confidences of all classes are averaged, each new one weighing
// 2 / (window + 1). Majority: the label that most of the last `window` judgements put first, with the mean confidence
// of those; ties: the one seen last.
enum class Smoothing { None, Ema, Majority };

struct SmootherRule {
  Smoothing smoothing = Smoothing::None;
  unsigned window = 15;       // judgements
  uint64_t min_dwell_ns = 0;  // a shown label stays at least that long
  double threshold = 0;       // below: `unknown_label`, with id -1
  std::string unknown_label;  // may be empty: no label
  size_t top_k = 1;           // how many classes the outcome names; 0: all
};

// Reentrant, not thread-safe; decides from its arguments alone.
class Smoother {
 public:
  // `all` names every class, best first. `running_time_ns` of the frame decides the dwell. The outcome's `top` is
  // best first; its first entry is what is shown.
  Judgement apply(const SmootherRule& rule, const Judgement& all, uint64_t running_time_ns);
  void reset();

 private:
  std::vector<double> averages_;    // Ema: by class id
  std::deque<ScoredClass> recent_;  // Majority: the first of each judgement
  std::string shown_;
  int64_t shown_id_ = -1;
  uint64_t shown_since_ns_ = 0;
  bool showing_ = false;
};

}  // namespace resnetft
