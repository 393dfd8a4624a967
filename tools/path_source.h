// SPDX-License-Identifier: MIT
// The paths that ft-tool predict works through: files, folders, and "-" for a line each on the standard input.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "resnetft/error.h"

namespace resnetft::tool {

// next() is for one thread at a time.
class PathSource {
 public:
  // Folders are listed here and now; standard input is read as it comes. The errors of list_images(). A path that is
  // not there is left for whoever opens it.
  static Result<PathSource> open(const std::vector<std::string>& arguments);

  // None: there are no more, or a signal came. Waits for standard input.
  std::optional<std::string> next();
  // From any thread: next() returns soon, and none from then on.
  void stop() { *stopped_ = true; }
  bool reads_standard_input() const { return reads_standard_input_; }
  size_t count() const { return paths_.size(); }

 private:
  std::optional<std::string> next_line();
  bool stopped() const;

  std::unique_ptr<std::atomic<bool>> stopped_ = std::make_unique<std::atomic<bool>>(false);
  std::vector<std::string> paths_;  // "-" stands for standard input
  size_t position_ = 0;
  bool reads_standard_input_ = false;
  std::string buffer_;  // what was read of standard input and not yet given out
  bool input_ended_ = false;
};

}  // namespace resnetft::tool
