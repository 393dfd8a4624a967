// SPDX-License-Identifier: MIT
// SHA-256 by OpenSSL's libcrypto: identifies weight files and snapshots.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace resnetft {

// The SHA-256 of `bytes`, as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::span<const std::byte> bytes);

// The same of the concatenation of `parts`.
std::string sha256_hex(std::span<const std::span<const std::byte>> parts);

}  // namespace resnetft
