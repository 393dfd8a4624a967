// SPDX-License-Identifier: MIT
#include "train/corrupt_log.h"

#include <algorithm>

namespace resnetft {

CorruptLog::CorruptLog(const Recipe& recipe, size_t pictures, std::function<void(const std::string&)> note,
                       std::set<std::string> known)
    : skip_(recipe.skip_corrupt),
      pictures_(pictures),
      allowed_(static_cast<size_t>(recipe.corrupt_budget * static_cast<double>(pictures))),
      note_(std::move(note)),
      names_(std::move(known)) {}

Status CorruptLog::add(const std::string& name, const Error& error) {
  if (!names_.insert(name).second) return Status::success();
  if (!skip_) return Error{ErrorCode::CorruptFile, error.message, "mend or remove the picture, or skip such pictures"};
  if (note_) note_("skipped: " + to_string(error));
  if (names_.size() <= allowed_) return Status::success();
  return Error{ErrorCode::CorruptFile,
               std::to_string(names_.size()) + " of " + std::to_string(pictures_) +
                   " pictures cannot be decoded, the last is '" + name + "'; " + std::to_string(allowed_) +
                   " may be skipped",
               "check the data with ft-tool dataset verify, or raise --corrupt-budget"};
}

Status CorruptLog::add(const Dataset& data, const std::vector<std::pair<size_t, Error>>& corrupt) {
  for (const auto& [index, error] : corrupt)
    if (Status status = add(data.name(index), error); !status) return status;
  return Status::success();
}

}  // namespace resnetft
