// SPDX-License-Identifier: MIT
// LibTorch throws; nothing of ours does. Every call into the module passes through guarded().
#pragma once

#include <string_view>
#include <utility>

#include "resnetft/error.h"

namespace resnetft {

// The exception in flight as an Error: OutOfMemory where memory ran out, else Internal, with the exception's first
// line. `doing` opens the message: "loading weights".
Error error_of_exception_in_flight(std::string_view doing);

// Returns what `body` returns, a Result or a Status, or the Error of what it throws.
template <class Body>
auto guarded(std::string_view doing, Body&& body) noexcept -> decltype(body()) {
  try {
    return std::forward<Body>(body)();
  } catch (...) {
    return error_of_exception_in_flight(doing);
  }
}

}  // namespace resnetft
