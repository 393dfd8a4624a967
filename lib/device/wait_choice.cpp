// SPDX-License-Identifier: MIT
#include "device/wait_choice.h"

#include <algorithm>

namespace resnetft {
namespace {

using std::chrono::milliseconds, std::chrono::seconds, std::chrono::minutes;

// A run is disturbed when its thread lacked the processor for that long, and for an eighth of the run. One alone may be
// chance.
constexpr milliseconds kLostTime(1);
constexpr int kLostPart = 8;
constexpr int kDisturbedRuns = 2;
constexpr seconds kShortestSleep(2);
constexpr minutes kLongestSleep(10);
constexpr seconds kGoodSpell(30);  // spinning for that long: what disturbed is over

}  // namespace

void WaitChoice::add(Duration wall, Duration cpu, Duration now) {
  if (sleeps_) {
    if (now - since_ < sleep_for_) return;
    sleeps_ = false;
    disturbed_runs_ = 0;
    since_ = now;
    return;
  }
  const Duration lost = wall - cpu;
  const bool disturbed = lost > kLostTime && lost > wall / kLostPart;
  disturbed_runs_ = disturbed ? disturbed_runs_ + 1 : 0;
  if (disturbed_runs_ < kDisturbedRuns) return;
  const bool at_once = since_ > Duration::zero() && now - since_ < kGoodSpell;
  sleep_for_ = at_once ? std::min<Duration>(2 * sleep_for_, kLongestSleep) : kShortestSleep;
  sleeps_ = true;
  since_ = now;
}

}  // namespace resnetft
