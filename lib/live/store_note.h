// SPDX-License-Identifier: MIT
// What a store says of itself, for people.
#pragma once

#include <functional>
#include <string>

#include "resnetft/log.h"

namespace resnetft {

// Warning: something was lost, or cannot be written.
using StoreNote = std::function<void(LogLevel level, const std::string& sentence)>;

}  // namespace resnetft
