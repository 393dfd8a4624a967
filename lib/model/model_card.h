// SPDX-License-Identifier: MIT
// What the card's JSON is made of, and the configurations that others lay beside their weights.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "resnetft/model.h"

namespace resnetft {

// What JSON can carry and cards and label files hold. A NUL is none of it: labels travel through C strings.
bool is_utf8(std::string_view text);

nlohmann::json preprocess_to_json(const PreprocessSpec& spec);

// A config.json in the form of timm or Hugging Face. Where it says nothing of labels or preprocessing (it may belong to
// something else), there are none.
struct ForeignConfig {
  std::vector<std::string> labels;
  bool has_preprocess = false;
  PreprocessSpec preprocess;
};

// NotFound, Io, or CorruptFile with the field that is odd.
Result<ForeignConfig> read_foreign_config(const std::string& path);

}  // namespace resnetft
