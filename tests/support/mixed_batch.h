// SPDX-License-Identifier: MIT
// Mixup of a batch of floats with itself, rolled by one, by its formula in double precision.
#pragma once

#include <vector>

namespace resnetft::testing {

inline std::vector<double> mixed_batch(const std::vector<float>& pictures, size_t count, double keep) {
  const size_t values = pictures.size() / count;
  std::vector<double> mixed(pictures.size());
  for (size_t i = 0; i < pictures.size(); ++i) {
    const size_t before = (i + pictures.size() - values) % pictures.size();
    mixed[i] = keep * static_cast<double>(pictures[i]) + (1 - keep) * static_cast<double>(pictures[before]);
  }
  return mixed;
}

}  // namespace resnetft::testing
