// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

namespace resnetft::testing {

// What has not come by then never comes; a machine may stand still for seconds, and be slow for minutes.
inline constexpr std::chrono::seconds kHangGuard{300};

}  // namespace resnetft::testing
