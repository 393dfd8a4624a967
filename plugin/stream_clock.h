// SPDX-License-Identifier: MIT
// Two small decisions about time that the elements share: is this frame late, and what latency do we announce?
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace resnetft {

// What the sinks say in QoS events. Thread-safe: they say it on other threads.
class Lateness {
 public:
  // `jitter_ns` > 0: the frame of `running_time_ns` came that much too late.
  void observe(double proportion, int64_t jitter_ns, uint64_t running_time_ns);
  void reset();
  bool late(uint64_t running_time_ns) const;
  // How far `running_time_ns` lies behind the first instant that can still be in time; 0 where it is not late.
  int64_t behind_ns(uint64_t running_time_ns) const;
  double proportion() const;

 private:
  mutable std::mutex lock_;  // innermost
  bool known_ = false;
  uint64_t earliest_ns_ = 0;
  double proportion_ = 1;
};

// The 95th percentile of the last processing times, and whether it has moved enough to be announced anew. Thread-safe.
class LatencyMeter {
 public:
  void add(int64_t ns);
  // Starts anew with a guess, for before the first frame.
  void reset(int64_t guess_ns);
  // The figure to answer a LATENCY query with; from now on moves are counted from it.
  uint64_t announce();
  // The percentile is a quarter, and kSmallestMove_ns, away from what was announced last.
  bool moved() const;

 private:
  static constexpr size_t kWindow = 64;
  static constexpr int64_t kSmallestMove_ns = 500'000;  // below it a query costs more than it tells
  int64_t percentile_locked() const;

  mutable std::mutex lock_;  // innermost
  std::array<int64_t, kWindow> times_ = {};
  size_t count_ = 0;
  size_t next_ = 0;
  int64_t guess_ns_ = 0;
  int64_t announced_ns_ = 0;
};

}  // namespace resnetft
