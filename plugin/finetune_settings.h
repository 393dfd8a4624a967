// SPDX-License-Identifier: MIT
// The properties of resnetfinetune as the values that its code works with: what a frame is labelled and sampled by,
// what a learner is made with, and what may change while it runs.
#pragma once

#include <string>

#include "live/label_track.h"
#include "live/learner.h"
#include "resnetft/error.h"
#include "settings.h"

namespace resnetft {

struct CollectRules {
  std::string label;
  LabelSources sources;
  unsigned sample_interval = 1;
  bool keeps_unlabelled = true;  // in the candidate ring
};

CollectRules collect_rules(const Settings& settings);

// InvalidArgument names the property whose value ft-tool would refuse.
Result<LearnerRules> learner_rules(const Settings& settings);
// All but the hub.
Result<LearnerSpec> learner_spec(const Settings& settings);

}  // namespace resnetft
