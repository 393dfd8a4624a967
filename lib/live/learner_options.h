// SPDX-License-Identifier: MIT
// What a learner is made with, read from the values of finetune_options(): the element's properties and ft-tool's
// options are the same rows.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "live/learner.h"
#include "resnetft/error.h"

namespace resnetft {

// The value of the row of that name as a user would write it, the row's default included; each is one that the row
// allows.
using OptionTexts = std::function<std::string(std::string_view name)>;

// InvalidArgument: a combination that ft-tool train would refuse, or an unknown name in `augment`.
Result<LearnerRules> learner_rules_of(const OptionTexts& texts);
// All but the hub.
Result<LearnerSpec> learner_spec_of(const OptionTexts& texts);

}  // namespace resnetft
