// SPDX-License-Identifier: MIT
// A regular file mapped read-only into memory: readers of hostile files work on a span and never on a stream.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "resnetft/error.h"

namespace resnetft {

// Immutable, so thread-safe. The span lives as long as the object.
class MappedFile {
 public:
  // NotFound where nothing is there; Io for a folder, a device or a file without read permission. An empty file is
  // an empty span.
  static Result<std::shared_ptr<const MappedFile>> open(const std::string& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

}  // namespace resnetft
