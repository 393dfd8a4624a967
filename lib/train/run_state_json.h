// SPDX-License-Identifier: MIT
// RunState and RunIdentity as JSON: numbers come back as the same bits.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "train/checkpoint.h"

namespace resnetft {

nlohmann::json run_state_to_json(const RunState& state);
nlohmann::json run_identity_to_json(const RunIdentity& identity);
// Throw nlohmann::json::exception where something is missing or of another kind.
RunState run_state_from_json(const nlohmann::json& json);
RunIdentity run_identity_from_json(const nlohmann::json& json);

}  // namespace resnetft
