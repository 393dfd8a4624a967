// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <mutex>

namespace resnetft {
namespace {

std::mutex sink_lock;
LogSink sink;

}  // namespace

void set_log_sink(LogSink new_sink) {
  const std::scoped_lock guard(sink_lock);
  sink = std::move(new_sink);
}

void log(LogLevel level, std::string_view line) {
  const std::scoped_lock guard(sink_lock);
  if (sink) sink(level, line);
}

}  // namespace resnetft
