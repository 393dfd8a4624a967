// SPDX-License-Identifier: MIT
// One row for each field of a Recipe: its option, how it is read and written, and whether it changes the result.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/options.h"
#include "train/recipe.h"

namespace resnetft {

struct RecipeRow {
  Option option;
  bool changes_result;
  bool (*set)(Recipe& recipe, const RecipeRow& row, std::string_view value);  // false: the value is impossible
  std::string (*get)(const Recipe& recipe, const RecipeRow& row);
  std::optional<double> auto_number = {};  // what "auto" stands for in the field, where the row takes it
};

std::span<const RecipeRow> recipe_rows();

// The shortest text that is read back as the same number.
std::string number_text(double value);

}  // namespace resnetft
