// SPDX-License-Identifier: MIT
// How far two engines are apart.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

namespace resnetft::testing {

// The largest difference, as a share of the largest of `expected`; infinite where a value is not finite.
inline double relative_difference(std::span<const float> actual, std::span<const float> expected) {
  double worst = 0, largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!std::isfinite(actual[i])) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[i])));
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
  }
  return worst / largest;
}

}  // namespace resnetft::testing
