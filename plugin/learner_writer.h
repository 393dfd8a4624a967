// SPDX-License-Identifier: MIT
// What a learner says, written out as the structures of messages and properties. Formats only.
#pragma once

#include <vector>

#include "gst_ref.h"
#include "live/learner.h"

namespace resnetft {

inline constexpr const char* kFinetuneMessageName = "resnetfinetune";

// The messages of an event, in the order in which they are posted: one each, but a rejected candidate has two, `gate`
// and `rejected`.
std::vector<StructurePtr> learner_messages(const LearnerEvent& event);

// The figures of a gate, as in its message; the property last-metrics. Null for none.
StructurePtr gate_structure(const std::optional<GateOutcome>& outcome);

// The property samples-per-class: classes, an array of {label, train, holdout}; the store's counts; and those of what
// never came to the store.
StructurePtr samples_structure(const LearnerStatus& status);

}  // namespace resnetft
