// SPDX-License-Identifier: MIT
#include "live/head_rows.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

namespace resnetft {
namespace {

double length_of(std::span<const float> row) {
  double squares = 0;
  for (const float value : row) squares += double{value} * value;
  return std::sqrt(squares);
}

}  // namespace

std::vector<std::string> joined_labels(const std::vector<std::string>& kept, const std::vector<std::string>& named) {
  std::vector<std::string> joined = kept;
  std::unordered_set<std::string> known(kept.begin(), kept.end());
  for (const std::string& label : named)
    if (known.insert(label).second) joined.push_back(label);
  return joined;
}

void ClassMeans::add(const std::string& label, std::span<const float> feature) {
  const double length = length_of(feature);
  std::vector<double>& sum = sums_[label];
  sum.resize(features_);
  if (length == 0) return;
  for (size_t i = 0; i < features_; ++i) sum[i] += feature[i] / length;
}

std::vector<double> ClassMeans::direction(const std::string& label) const {
  const auto found = sums_.find(label);
  std::vector<double> direction = found == sums_.end() ? std::vector<double>(features_) : found->second;
  double squares = 0;
  for (const double value : direction) squares += value * value;
  if (squares > 0)
    for (double& value : direction) value /= std::sqrt(squares);
  return direction;
}

LinearHead imprinted_head(const LinearHead& known, const std::vector<std::string>& classes, const ClassMeans& means) {
  double length = 0, bias = 0;
  for (size_t i = 0; i < known.labels.size(); ++i) {
    length += length_of(known.row(i)) / static_cast<double>(known.labels.size());
    bias += known.bias[i] / static_cast<double>(known.labels.size());
  }
  std::map<std::string, size_t> rows;
  for (size_t i = 0; i < known.labels.size(); ++i) rows.emplace(known.labels[i], i);
  LinearHead head{classes, known.features, {}, {}};
  head.weight.reserve(classes.size() * known.features);
  for (const std::string& label : classes) {
    if (const auto row = rows.find(label); row != rows.end()) {
      head.weight.insert(head.weight.end(), known.row(row->second).begin(), known.row(row->second).end());
      head.bias.push_back(known.bias[row->second]);
      continue;
    }
    for (const double value : means.direction(label)) head.weight.push_back(static_cast<float>(value * length));
    head.bias.push_back(static_cast<float>(bias));
  }
  return head;
}

}  // namespace resnetft
