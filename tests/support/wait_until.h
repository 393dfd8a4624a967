// SPDX-License-Identifier: MIT
// Waits for what other threads do, instead of for a time in which it may not run.
#pragma once

#include <chrono>
#include <thread>

#include "tests/support/hang_guard.h"

namespace resnetft::testing {

// False: it never came true.
template <class Condition>
bool wait_until(Condition condition) {
  using Clock = std::chrono::steady_clock;
  for (const Clock::time_point end = Clock::now() + kHangGuard; !condition();) {
    if (Clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace resnetft::testing
