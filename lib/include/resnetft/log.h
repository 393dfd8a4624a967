// SPDX-License-Identifier: MIT
// Where the library's log lines go: nowhere, until an application names a sink.
#pragma once

#include <functional>
#include <string_view>

namespace resnetft {

enum class LogLevel { Debug, Info, Warning };

using LogSink = std::function<void(LogLevel level, std::string_view line)>;

// Replaces the sink of the process; an empty one silences the library. Thread-safe; the sink is called from any
// thread, one call at a time.
void set_log_sink(LogSink sink);

}  // namespace resnetft
