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
  TemporaryCopy(TemporaryCopy&& other) noexcept
      : original_(std::move(other.original_)), path_(std::exchange(other.path_, {})) {}
  ~TemporaryCopy();

  const std::string& path() const { return path_; }

  // What is said of the copy, said of the folder.
  std::string as_of_the_original(std::string text) const;
  Error as_of_the_original(Error error) const;

 private:
  TemporaryCopy(std::string original, std::string path) : original_(std::move(original)), path_(std::move(path)) {}
  std::string original_, path_;
};

}  // namespace resnetft::tool
