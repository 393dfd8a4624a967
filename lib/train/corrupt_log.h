// SPDX-License-Identifier: MIT
// Pictures that could not be decoded: each named once, counted, and too many end the run.
#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "resnetft/error.h"
#include "train/recipe.h"

namespace resnetft {

// For one thread.
class CorruptLog {
 public:
  // --corrupt-budget of `pictures` may be corrupt. `known`: from a checkpoint.
  CorruptLog(const Recipe& recipe, size_t pictures, std::function<void(const std::string&)> note,
             std::set<std::string> known = {});

  // CorruptFile where nothing may be skipped, or too many are corrupt.
  Status add(const std::string& name, const Error& error);
  // The same of a batch's.
  Status add(const Dataset& data, const std::vector<std::pair<size_t, Error>>& corrupt);
  const std::set<std::string>& names() const { return names_; }

 private:
  bool skip_;
  size_t pictures_, allowed_;
  std::function<void(const std::string&)> note_;
  std::set<std::string> names_;
};

}  // namespace resnetft
