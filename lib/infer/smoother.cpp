// SPDX-License-Identifier: MIT
#include "resnetft/smoother.h"

#include <algorithm>
#include <map>

namespace resnetft {
namespace {

struct Tally {
  unsigned votes = 0;
  double confidence_sum = 0;
  size_t last_seen = 0;
};

// The class that most of `recent` put first; ties: the one seen last.
ScoredClass majority_of(const std::deque<ScoredClass>& recent) {
  std::map<int64_t, Tally> tallies;
  for (size_t i = 0; i < recent.size(); ++i) {
    Tally& tally = tallies[recent[i].label_id];
    ++tally.votes;
    tally.confidence_sum += recent[i].confidence;
    tally.last_seen = i;
  }
  const auto winner = std::ranges::max_element(tallies, [](const auto& a, const auto& b) {
    return std::pair(a.second.votes, a.second.last_seen) < std::pair(b.second.votes, b.second.last_seen);
  });
  ScoredClass result = recent[winner->second.last_seen];
  result.confidence = winner->second.confidence_sum / winner->second.votes;
  return result;
}

// `top` with the class `first` moved to the front.
void put_first(std::vector<ScoredClass>& top, const ScoredClass& first) {
  std::erase_if(top, [&](const ScoredClass& scored) { return scored.label_id == first.label_id; });
  top.insert(top.begin(), first);
}

std::vector<ScoredClass> averaged(std::vector<double>& averages, std::vector<ScoredClass> top, unsigned window) {
  const double weight = 2.0 / (window + 1.0);
  const bool fresh = averages.size() != top.size();
  averages.resize(top.size());
  for (ScoredClass& scored : top) {
    double& average = averages.at(static_cast<size_t>(scored.label_id));
    average = fresh ? scored.confidence : average + weight * (scored.confidence - average);
    scored.confidence = average;
  }
  std::ranges::sort(top, [](const ScoredClass& a, const ScoredClass& b) {
    return a.confidence != b.confidence ? a.confidence > b.confidence : a.label_id < b.label_id;
  });
  return top;
}

}  // namespace

Judgement Smoother::apply(const SmootherRule& rule, const Judgement& all, uint64_t running_time_ns) {
  Judgement result = all;
  if (result.top.empty()) return result;
  if (rule.smoothing == Smoothing::Ema) result.top = averaged(averages_, std::move(result.top), rule.window);
  if (rule.smoothing == Smoothing::Majority) {
    recent_.push_back(result.top.front());
    while (recent_.size() > rule.window) recent_.pop_front();
    put_first(result.top, majority_of(recent_));
  }
  if (result.top.front().confidence < rule.threshold) {
    const double confidence = result.top.front().confidence;
    result.top.insert(result.top.begin(), ScoredClass{rule.unknown_label, -1, confidence});
  }

  const bool changes = !showing_ || result.top.front().label_id != shown_id_ || result.top.front().label != shown_;
  const bool may_change =
      !showing_ || running_time_ns < shown_since_ns_ || running_time_ns - shown_since_ns_ >= rule.min_dwell_ns;
  if (changes && may_change) {
    shown_ = result.top.front().label;
    shown_id_ = result.top.front().label_id;
    shown_since_ns_ = running_time_ns;
    showing_ = true;
  } else if (changes) {
    const auto kept = std::ranges::find(result.top, shown_id_, &ScoredClass::label_id);
    const double confidence = kept != result.top.end() ? kept->confidence : result.top.front().confidence;
    put_first(result.top, ScoredClass{shown_, shown_id_, confidence});
  }
  if (rule.top_k != 0 && result.top.size() > rule.top_k) result.top.resize(rule.top_k);
  return result;
}

void Smoother::reset() { *this = Smoother(); }

}  // namespace resnetft
