// SPDX-License-Identifier: MIT
// Every property and command-line option, said once: name, type, default, range, help. The plugin makes GObject
// properties of the rows, ft-tool its --help and parser, and a test the README's tables. Free of everything else.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace resnetft {

enum class OptionType { Boolean, Uint, Uint64, Double, String, Enum, Flags };

struct OptionValue {
  std::string_view name;
  int value;
  std::string_view help;
};

struct Option {
  std::string_view name;  // kebab-case: "top-k" is the property top-k and the option --top-k
  OptionType type;
  std::string_view default_text;  // as a user would write it; "" for no string
  double minimum = 0;             // of Uint, Uint64 and Double
  double maximum = 0;
  std::span<const OptionValue> values = {};  // of Enum and Flags
  std::string_view help = {};
  bool while_playing = false;  // may be changed in PLAYING
  bool controllable = false;
};

// The properties of resnetclassify that are not read-only, in the order of the README's table.
std::span<const Option> classify_options();
// Those of resnetfinetune.
std::span<const Option> finetune_options();

// The row of that name, or none.
const Option* find_option(std::span<const Option> options, std::string_view name);

// The number behind the name of an Enum's value, or the sum of those behind "a+b" of a Flags row; none where a name is
// not in the row's list.
std::optional<int> option_value(const Option& option, std::string_view text);

// "a, b, c": the names of a row's values, for error messages.
std::string option_values_text(const Option& option);

}  // namespace resnetft
