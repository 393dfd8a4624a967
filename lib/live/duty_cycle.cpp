// SPDX-License-Identifier: MIT
#include "live/duty_cycle.h"

#include <algorithm>

namespace resnetft {
namespace {

using namespace std::chrono_literals;

constexpr DutyCycle::Duration kShortestRest = 1ms;  // a shorter one takes longer to begin and end
constexpr DutyCycle::Duration kMostCredit = 50ms;   // of rest that was longer than owed

}  // namespace

DutyCycle::Duration DutyCycle::rest(Duration wall, Duration cpu) {
  if (begun_) {
    const Duration worked = cpu - last_cpu_, rested = wall - last_wall_ - worked;
    const double owed = static_cast<double>(worked.count()) * (1 - share_) / share_;
    owed_ = std::max(owed_ + Duration(static_cast<Duration::rep>(owed)) - rested, -kMostCredit);
  }
  begun_ = true;
  last_wall_ = wall;
  last_cpu_ = cpu;
  return owed_ < kShortestRest || share_ >= 1 ? Duration(0) : owed_;
}

}  // namespace resnetft
