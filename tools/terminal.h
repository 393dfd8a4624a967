// SPDX-License-Identifier: MIT
// The process's rim: standard output that notices when nobody reads or the disk is full, messages and a progress bar
// on the standard error, Ctrl-C.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "resnetft/error.h"

namespace resnetft::tool {

// Io. Its message is empty where the reader has gone (`ft-tool ... | head`): nobody wants to be told.
Status write_out(std::string_view text);
Status flush_out();

// "ft-tool: TEXT" and an end of line, on the standard error.
void say(std::string_view text);

// Ends what libraries print by themselves: OpenCV writes each damaged TIFF to std::cerr. ft-tool's own lines go another
// way.
void silence_libraries();

// SIGINT and SIGTERM set a flag, once; the second ends the process. SIGPIPE is ignored.
void catch_signals();
bool interrupted();
Error interrupted_error();

// One line of the standard error that is drawn again and again, ten times a second at most, and only where that is a
// terminal.
class StatusLine {
 public:
  StatusLine();
  ~StatusLine() { clear(); }
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  // Whether show() would draw: a text need not be made for nothing.
  bool is_due() const;
  void show(std::string_view text);
  // Takes the line away, so that another may be written.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  bool on_terminal_;
  bool drawn_ = false;
  Clock::time_point next_draw_;
};

// A bar on the standard error, for people: only where it is a terminal, and only for work of more than a second. Shows
// itself ten times a second at most; takes itself away when it goes.
class Progress {
 public:
  // `total` 0: unknown.
  Progress(std::string_view what, int64_t total);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(int64_t count);

 private:
  using Clock = std::chrono::steady_clock;
  void draw(double seconds);

  std::string what_;
  int64_t total_;
  int64_t done_ = 0;
  Clock::time_point start_;
  StatusLine line_;
};

}  // namespace resnetft::tool
