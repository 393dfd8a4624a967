// SPDX-License-Identifier: MIT
#include "live/sample.h"

#include <algorithm>
#include <cmath>

namespace resnetft {

uint64_t sample_bytes(const Sample& sample) {
  const uint64_t picture = sample.picture ? sample.picture->rgb.size() : 0;
  return sample.feature.size() * sizeof(float) + picture + sample.label.size();
}

double feature_distance(std::span<const float> a, std::span<const float> b) {
  double dot = 0, a_squares = 0, b_squares = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    dot += double{a[i]} * b[i];
    a_squares += double{a[i]} * a[i];
    b_squares += double{b[i]} * b[i];
  }
  if (a_squares == 0 || b_squares == 0) return a_squares == b_squares ? 0 : 1;
  return 1 - dot / std::sqrt(a_squares * b_squares);
}

double margin(std::span<const double> confidences) {
  double first = 0, second = 0;
  for (const double confidence : confidences) {
    second = std::max(second, std::min(first, confidence));
    first = std::max(first, confidence);
  }
  return first - second;
}

}  // namespace resnetft
