// SPDX-License-Identifier: MIT
#include "temporary_copy.h"

#include <stdlib.h>

#include <filesystem>

namespace resnetft::tool {

namespace fs = std::filesystem;

Result<TemporaryCopy> TemporaryCopy::of_folder(const std::string& folder) {
  std::error_code reason;
  if (!fs::is_directory(folder, reason))
    return Error{ErrorCode::NotFound, "there is no folder '" + folder + "'", "check the path"};
  std::string pattern = (fs::temp_directory_path(reason) / "ft-tool-XXXXXX").string();
  if (reason || !mkdtemp(pattern.data()))
    return Error{ErrorCode::Io, "cannot make a temporary folder '" + pattern + "'", "set TMPDIR to one with room"};
  TemporaryCopy copy(folder, pattern);
  fs::copy(folder, pattern, fs::copy_options::recursive, reason);
  if (!reason) return copy;
  return Error{ErrorCode::Io, "cannot copy '" + folder + "' to '" + pattern + "': " + reason.message(),
               "set TMPDIR to a folder with room"};
}

std::string TemporaryCopy::as_of_the_original(std::string text) const {
  for (size_t at = text.find(path_); at != std::string::npos; at = text.find(path_, at + original_.size()))
    text.replace(at, path_.size(), original_);
  return text;
}

Error TemporaryCopy::as_of_the_original(Error error) const {
  error.message = as_of_the_original(std::move(error.message));
  error.hint = as_of_the_original(std::move(error.hint));
  return error;
}

TemporaryCopy::~TemporaryCopy() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

}  // namespace resnetft::tool
