// SPDX-License-Identifier: MIT
// Which frames of a stream are sampled: every Nth, and the first one under another label.
#pragma once

#include <cstdint>

#include "live/label_track.h"

namespace resnetft {

// Reentrant, not thread-safe.
class SampleClock {
 public:
  // Of the next frame; `interval` is at least 1. The first frame is sampled.
  bool due(const HeldLabel& held, uint64_t interval) {
    const bool other_label = held != last_;
    if (other_label) last_ = held;
    if (!other_label && since_ < interval) return ++since_, false;
    since_ = 1;
    return true;
  }

 private:
  HeldLabel last_;
  uint64_t since_ = UINT64_MAX;  // frames, the sampled one included
};

}  // namespace resnetft
