// SPDX-License-Identifier: MIT
// Which classes a model is to know, and the head that learning them begins with.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "live/linear_head.h"

namespace resnetft {

// `kept`, then those of `named` that are not among them.
std::vector<std::string> joined_labels(const std::vector<std::string>& kept, const std::vector<std::string>& named);

// Sums of normalised features, by class.
class ClassMeans {
 public:
  explicit ClassMeans(size_t features) : features_(features) {}
  void add(const std::string& label, std::span<const float> feature);
  bool contains(const std::string& label) const { return sums_.contains(label); }
  // The mean, of length 1; zeros where there is none.
  std::vector<double> direction(const std::string& label) const;

 private:
  size_t features_;
  std::map<std::string, std::vector<double>> sums_;
};

// The rows of `known` for the classes that it has. The others' rows are their normalised class means (Qi et al. 2018,
// "Low-Shot Learning with Imprinted Weights", section 3.2), as long as the known rows are on average, with their mean
// bias.
LinearHead imprinted_head(const LinearHead& known, const std::vector<std::string>& classes, const ClassMeans& means);

}  // namespace resnetft
