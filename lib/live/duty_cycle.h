// SPDX-License-Identifier: MIT
// How long a thread rests so that it works for a share of the time only. A pure function of the clocks it is told.
#pragma once

#include <chrono>

namespace resnetft {

// For one thread, asked at its pause points. Time in which the thread was kept from the processor counts as rest.
class DutyCycle {
 public:
  using Duration = std::chrono::nanoseconds;

  // `share`: above 0, at most 1.
  explicit DutyCycle(double share) : share_(share) {}

  // The share from now on.
  void set_share(double share) { share_ = share; }

  // How long to rest now, at `wall`, where the thread had the processor for `cpu` in all. Work is paid for at once, so
  // that the share holds over every stretch that is long against the distance of two pause points.
  Duration rest(Duration wall, Duration cpu);

 private:
  double share_;
  bool begun_ = false;
  Duration last_wall_{}, last_cpu_{};
  Duration owed_{};
};

}  // namespace resnetft
