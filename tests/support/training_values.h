// SPDX-License-Identifier: MIT
// tests/data/train/training_values.json: what PyTorch's Python makes of small tensors.
#pragma once

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

namespace resnetft::testing {

inline nlohmann::json training_values() {
  return nlohmann::json::parse(std::ifstream(RESNETFT_TEST_DATA "/train/training_values.json"));
}

// The script's rule(): sin(0.37 i + 1.3 step + salt).
inline std::vector<float> rule_values(size_t count, int step, double salt) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = static_cast<float>(std::sin(0.37 * static_cast<double>(i) + 1.3 * step + salt));
  return values;
}

}  // namespace resnetft::testing
