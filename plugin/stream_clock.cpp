// SPDX-License-Identifier: MIT
#include "stream_clock.h"

#include <algorithm>

namespace resnetft {

void Lateness::observe(double proportion, int64_t jitter_ns, uint64_t running_time_ns) {
  const std::scoped_lock guard(lock_);
  proportion_ = proportion;
  known_ = jitter_ns > 0;
  earliest_ns_ = running_time_ns + static_cast<uint64_t>(std::max<int64_t>(jitter_ns, 0));
}

void Lateness::reset() {
  const std::scoped_lock guard(lock_);
  known_ = false;
  proportion_ = 1;
}

bool Lateness::late(uint64_t running_time_ns) const {
  const std::scoped_lock guard(lock_);
  return known_ && running_time_ns <= earliest_ns_;
}

int64_t Lateness::behind_ns(uint64_t running_time_ns) const {
  const std::scoped_lock guard(lock_);
  return known_ && running_time_ns <= earliest_ns_ ? static_cast<int64_t>(earliest_ns_ - running_time_ns) : 0;
}

double Lateness::proportion() const {
  const std::scoped_lock guard(lock_);
  return proportion_;
}

int64_t LatencyMeter::percentile_locked() const {
  if (count_ == 0) return guess_ns_;
  std::array<int64_t, kWindow> sorted = times_;
  const auto end = sorted.begin() + static_cast<ptrdiff_t>(count_);
  const auto rank = sorted.begin() + static_cast<ptrdiff_t>((count_ - 1) * 95 / 100);
  std::nth_element(sorted.begin(), rank, end);
  return *rank;
}

void LatencyMeter::add(int64_t ns) {
  const std::scoped_lock guard(lock_);
  times_[next_] = ns;
  next_ = (next_ + 1) % kWindow;
  count_ = std::min(count_ + 1, kWindow);
}

void LatencyMeter::reset(int64_t guess_ns) {
  const std::scoped_lock guard(lock_);
  count_ = next_ = 0;
  guess_ns_ = guess_ns;
}

uint64_t LatencyMeter::announce() {
  const std::scoped_lock guard(lock_);
  announced_ns_ = percentile_locked();
  return static_cast<uint64_t>(announced_ns_);
}

bool LatencyMeter::moved() const {
  const std::scoped_lock guard(lock_);
  const int64_t distance = std::abs(percentile_locked() - announced_ns_);
  return distance >= kSmallestMove_ns && distance * 4 > announced_ns_;
}

}  // namespace resnetft
