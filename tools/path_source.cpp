// SPDX-License-Identifier: MIT
#include "path_source.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "data/image_folder.h"
#include "terminal.h"

namespace resnetft::tool {
namespace {

constexpr char kStandardInput[] = "-";
constexpr int kSignalPollMs = 100;

}  // namespace

Result<PathSource> PathSource::open(const std::vector<std::string>& arguments) {
  PathSource source;
  for (const std::string& argument : arguments) {
    std::error_code ignored;
    if (argument == kStandardInput) {
      if (source.reads_standard_input_)
        return Error{ErrorCode::InvalidArgument, "'-' is named twice", "the standard input can be read once"};
      source.reads_standard_input_ = true;
      source.paths_.push_back(argument);
    } else if (std::filesystem::is_directory(argument, ignored)) {
      const Result<std::vector<std::string>> images = list_images(argument);
      if (!images) return images.error();
      source.paths_.insert(source.paths_.end(), images->begin(), images->end());
    } else {
      source.paths_.push_back(argument);
    }
  }
  return source;
}

bool PathSource::stopped() const { return *stopped_ || interrupted(); }

std::optional<std::string> PathSource::next() {
  while (position_ < paths_.size() && !stopped()) {
    if (paths_[position_] != kStandardInput) return paths_[position_++];
    if (std::optional<std::string> line = next_line()) return line;
    ++position_;
  }
  return std::nullopt;
}

// The next line that is not empty. poll() lets a signal end the wait, whichever thread it came to.
std::optional<std::string> PathSource::next_line() {
  while (!stopped()) {
    const size_t end = buffer_.find('\n');
    if (end != std::string::npos || (input_ended_ && !buffer_.empty())) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end == std::string::npos ? end : end + 1);
      if (!line.empty()) return line;
      continue;
    }
    if (input_ended_) return std::nullopt;
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (poll(&input, 1, kSignalPollMs) <= 0) continue;
    char chunk[65536];
    const ssize_t size = read(STDIN_FILENO, chunk, sizeof chunk);
    if (size > 0) buffer_.append(chunk, static_cast<size_t>(size));
    input_ended_ = size == 0 || (size < 0 && errno != EINTR);
  }
  return std::nullopt;
}

}  // namespace resnetft::tool
