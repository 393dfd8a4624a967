// SPDX-License-Identifier: MIT
// Notices that the model does worse than the one before it: every newly labelled sample is judged before it is learned
// from.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "live/label_track.h"

namespace resnetft {

// Windows are of labelled time: that between neighbouring samples of one epoch, a gap counting as at most a second.
// Pure but for what it remembers; for one thread.
class AccuracyWatch {
 public:
  // With fewer judgements in a window nothing is said of it.
  static constexpr size_t kFewestJudged = 10;

  void add(const SampleKey& key, bool correct, uint64_t window_ns);
  // Another model is judged from now on; what the last window said of the old one is what it is held against.
  void model_changed();
  // Another model that is held against nothing.
  void start_over();

  // Why the model should go: its accuracy over a full window is more than `drop` below that of the one before it.
  std::optional<std::string> complaint(uint64_t window_ns, double drop) const;

 private:
  struct Judged {
    uint64_t at_ns;  // of labelled time
    bool correct;
  };
  std::optional<double> accuracy() const;

  std::optional<SampleKey> last_;
  uint64_t now_ns_ = 0, since_ns_ = 0;
  std::deque<Judged> window_;
  std::optional<double> before_;
};

}  // namespace resnetft
