// SPDX-License-Identifier: MIT
#include "infer/judge.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace resnetft {

std::vector<double> confidences(std::span<const float> logits, double temperature) {
  std::vector<double> values(logits.begin(), logits.end());
  const double largest = values.empty() ? 0 : *std::ranges::max_element(values);
  for (double& value : values) value = std::exp((value - largest) / temperature);
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  for (double& value : values) value /= sum;
  return values;
}

std::vector<ScoredClass> best_classes(const std::vector<double>& confidences, const ModelCard& card, size_t top_k) {
  std::vector<size_t> order(confidences.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t count = top_k == 0 ? order.size() : std::min(top_k, order.size());
  std::ranges::partial_sort(order, order.begin() + static_cast<ptrdiff_t>(count), [&](size_t a, size_t b) {
    return confidences[a] != confidences[b] ? confidences[a] > confidences[b] : a < b;
  });
  std::vector<ScoredClass> best;
  for (size_t i = 0; i < count; ++i) {
    const int64_t id = static_cast<int64_t>(order[i]);
    best.push_back({label_of(card, id), id, confidences[order[i]]});
  }
  return best;
}

}  // namespace resnetft
