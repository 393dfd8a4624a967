// SPDX-License-Identifier: MIT
// The options that ft-tool has beside those it shares with the elements.
#pragma once

#include <initializer_list>
#include <vector>

#include "base/options.h"

namespace resnetft::tool {

// Of an enum's values, in the order of the rows.
enum class OutputFormat { Text, Jsonl, Csv };
enum class BenchmarkSubject { Inference, Preprocess, Data };

// The rows of these names: ft-tool's own first, then the elements'.
std::vector<Option> option_rows(std::initializer_list<std::string_view> names);

// A row of the elements' whose default is another here.
Option with_default(std::string_view name, std::string_view default_text);

}  // namespace resnetft::tool
