// SPDX-License-Identifier: MIT
// What the card's JSON is made of, and the configurations that others lay beside their weights.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "resnetft/model.h"

namespace resnetft {

nlohmann::json preprocess_to_json(const PreprocessSpec& spec);

// A config.json in the form of timm or Hugging Face.
struct ForeignConfig {
  std::string architecture;  // empty: it does not say
  std::vector<std::string> labels;
  PreprocessSpec preprocess;
};

// NotFound, Io, or CorruptFile with the field that is odd.
Result<ForeignConfig> read_foreign_config(const std::string& path);

}  // namespace resnetft
