// SPDX-License-Identifier: MIT
// Hands a line to the sink that the application set (resnetft/log.h).
#pragma once

#include "resnetft/log.h"

namespace resnetft {

void log(LogLevel level, std::string_view line);

}  // namespace resnetft
