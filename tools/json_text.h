// SPDX-License-Identifier: MIT
// JSON as ft-tool writes it: keys in the order in which they were set, on one line.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace resnetft::tool {

using OrderedJson = nlohmann::ordered_json;

// File names may be any bytes: what is not UTF-8 becomes U+FFFD.
inline std::string json_text(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace resnetft::tool
