// SPDX-License-Identifier: MIT
// printf's formats as a string: GCC 12 has no std::format.
#pragma once

#include <cstdio>
#include <string>

namespace resnetft {

template <class... Values>
std::string formatted(const char* format, Values... values) {
  std::string text(static_cast<size_t>(std::snprintf(nullptr, 0, format, values...)), '\0');
  std::snprintf(text.data(), text.size() + 1, format, values...);
  return text;
}

}  // namespace resnetft
