// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

namespace resnetft::testing {

// How long a test waits for what comes at once on an idle machine: a guard against hanging, no check of speed.
inline constexpr std::chrono::seconds kHangGuard{300};

}  // namespace resnetft::testing
