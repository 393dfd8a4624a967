// SPDX-License-Identifier: MIT
#include "terminal.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>

namespace resnetft::tool {
namespace {

std::atomic<bool> interrupt_seen = false;
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler writes it

Error output_error(int error_number) {
  if (error_number == EPIPE) return {ErrorCode::Io, "", ""};
  return {ErrorCode::Io, std::string("cannot write to the standard output: ") + std::strerror(error_number),
          "check the space on the disk"};
}

}  // namespace

Status write_out(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) return output_error(errno);
  return Status::success();
}

Status flush_out() {
  if (std::fflush(stdout) != 0) return output_error(errno);
  return Status::success();
}

void say(std::string_view text) {
  const std::string line = "ft-tool: " + std::string(text) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void silence_libraries() { std::cerr.rdbuf(nullptr); }

void catch_signals() {
  signal(SIGPIPE, SIG_IGN);
  struct sigaction action = {};
  action.sa_handler = [](int) { interrupt_seen = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return interrupt_seen; }

Error interrupted_error() { return {ErrorCode::Cancelled, "stopped by a signal", ""}; }

// Work of less than a second shows nothing.
StatusLine::StatusLine()
    : on_terminal_(isatty(STDERR_FILENO) != 0), next_draw_(Clock::now() + std::chrono::seconds(1)) {}

bool StatusLine::is_due() const { return on_terminal_ && Clock::now() >= next_draw_; }

void StatusLine::show(std::string_view text) {
  if (!is_due()) return;
  next_draw_ = Clock::now() + std::chrono::milliseconds(100);
  const std::string line = "\r\x1b[K" + std::string(text);
  std::fwrite(line.data(), 1, line.size(), stderr);
  drawn_ = true;
}

void StatusLine::clear() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

Progress::Progress(std::string_view what, int64_t total) : what_(what), total_(total), start_(Clock::now()) {}

void Progress::advance(int64_t count) {
  done_ += count;
  if (line_.is_due()) draw(std::chrono::duration<double>(Clock::now() - start_).count());
}

void Progress::draw(double seconds) {
  const double rate = static_cast<double>(done_) / seconds;
  char text[120];
  if (total_ == 0) {
    std::snprintf(text, sizeof text, " %lld, %.0f/s", static_cast<long long>(done_), rate);
    return line_.show(what_ + text);
  }
  constexpr int kWidth = 30;
  const int filled = static_cast<int>(kWidth * done_ / total_);
  std::string bar(static_cast<size_t>(filled), '#');
  bar.resize(kWidth, '.');
  std::snprintf(text, sizeof text, "] %lld/%lld, %.0f/s, %.0f s left", static_cast<long long>(done_),
                static_cast<long long>(total_), rate, static_cast<double>(total_ - done_) / rate);
  line_.show(what_ + " [" + bar + text);
}

}  // namespace resnetft::tool
