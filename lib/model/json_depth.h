// SPDX-License-Identifier: MIT
// Looks at JSON before it is parsed: a few megabytes of brackets would become gigabytes of values.
#pragma once

#include <string_view>

namespace resnetft {

// Whether brackets and braces outside strings nest deeper than `limit`.
inline bool nests_deeper_than(std::string_view json, int limit) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string && c == '\\')
      ++i;
    else if (c == '"')
      in_string = !in_string;
    else if (!in_string && (c == '[' || c == '{') && ++depth > limit)
      return true;
    else if (!in_string && (c == ']' || c == '}'))
      --depth;
  }
  return false;
}

}  // namespace resnetft
