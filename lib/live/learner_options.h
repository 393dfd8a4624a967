// SPDX-License-Identifier: MIT
// What a learner is made with, read from the values of finetune_options(): the element's properties and ft-tool's
// options are the same rows.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "live/learner.h"
#include "resnetft/error.h"

namespace resnetft {

// How the values of rows are asked for by name, defaults included; each is one that its row allows.
struct OptionReader {
  std::function<bool(std::string_view name)> flag;         // Boolean
  std::function<uint64_t(std::string_view name)> number;   // Uint, Uint64; the value of an Enum
  std::function<double(std::string_view name)> real;       // Double
  std::function<std::string(std::string_view name)> text;  // String; the name of an Enum's value
};

// InvalidArgument: what ft-tool train would refuse, or an unknown name in `augment`.
Result<LearnerRules> learner_rules_of(const OptionReader& options);
// All but the hub.
Result<LearnerSpec> learner_spec_of(const OptionReader& options);

}  // namespace resnetft
