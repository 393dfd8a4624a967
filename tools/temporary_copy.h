// SPDX-License-Identifier: MIT
// A copy of a folder that is gone with the object.
#pragma once

#include <string>
#include <utility>

#include "resnetft/error.h"

namespace resnetft::tool {

class TemporaryCopy {
 public:
  // NotFound, Io.
  static Result<TemporaryCopy> of_folder(const std::string& folder);
  TemporaryCopy(TemporaryCopy&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ~TemporaryCopy();

  const std::string& path() const { return path_; }

 private:
  explicit TemporaryCopy(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace resnetft::tool
