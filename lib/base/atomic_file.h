// SPDX-License-Identifier: MIT
// Writes a file whole or not at all: to a temporary file beside it, synced, then renamed over the old one.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "resnetft/error.h"

namespace resnetft {

// Replaces `path` by the concatenation of `parts`. On any error (Io, with the path and the system's reason) the file
// that was there is untouched and nothing is left beside it.
Status write_file_atomically(const std::string& path, std::span<const std::span<const std::byte>> parts);

// The same with one piece, of text or of any bytes.
Status write_file_atomically(const std::string& path, std::string_view text);

}  // namespace resnetft
