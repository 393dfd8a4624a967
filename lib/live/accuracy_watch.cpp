// SPDX-License-Identifier: MIT
#include "live/accuracy_watch.h"

#include <algorithm>

#include "base/formatted.h"

namespace resnetft {
namespace {

constexpr uint64_t kLongestGap_ns = 1'000'000'000;

}  // namespace

void AccuracyWatch::add(const SampleKey& key, bool correct, uint64_t window_ns) {
  const bool same_epoch = last_ && last_->epoch == key.epoch;
  const bool later = !same_epoch || key.running_time_ns > last_->running_time_ns;
  if (same_epoch && later) now_ns_ += std::min(key.running_time_ns - last_->running_time_ns, kLongestGap_ns);
  if (later) last_ = key;  // of streams that take turns one may lag behind
  window_.push_back({now_ns_, correct});
  while (window_.front().at_ns + window_ns < now_ns_) window_.pop_front();
}

std::optional<double> AccuracyWatch::accuracy() const {
  if (window_.size() < kFewestJudged) return {};
  const auto correct = std::ranges::count_if(window_, &Judged::correct);
  return static_cast<double>(correct) / static_cast<double>(window_.size());
}

void AccuracyWatch::model_changed() {
  before_ = accuracy();
  since_ns_ = now_ns_;
  window_.clear();
}

void AccuracyWatch::start_over() {
  model_changed();
  before_.reset();
}

std::optional<std::string> AccuracyWatch::complaint(uint64_t window_ns, double drop) const {
  const std::optional<double> now = accuracy();
  if (!before_ || !now || now_ns_ - since_ns_ < window_ns || *now >= *before_ - drop) return {};
  return formatted("labelled accuracy fell from %.3f to %.3f over rollback-window (%zu samples; rollback-drop is %g)",
                   *before_, *now, window_.size(), drop);
}

}  // namespace resnetft
