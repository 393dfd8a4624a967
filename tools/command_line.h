// SPDX-License-Identifier: MIT
// A verb's command line, parsed by GLib's GOption from rows of the option tables.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "resnetft/error.h"

namespace resnetft::tool {

class CommandLine;

// Another word for an option: --data-path, or -b where it has one letter.
struct OptionAlias {
  std::string_view word;
  std::string_view option;
};

// In --help, the options from `first` on stand below `title`.
struct OptionGroup {
  std::string_view title;
  std::string_view first;
};

// One verb of ft-tool: what stands in its --help, and what it does. `run` gives the exit status: 0, or 1 where a check
// failed.
struct Verb {
  std::string_view name;
  std::string_view arguments;  // beside the options: "PATH..."
  std::string_view summary;
  std::string_view description;  // below the options: examples
  std::vector<Option> options;
  Result<int> (*run)(const CommandLine& line);
  std::vector<OptionGroup> groups = {};
  std::span<const OptionAlias> aliases = {};
  // Instead of the row's own check, for options that take more than the row lists; none: the row decides.
  Status (*check)(const Option& option, const std::string& value) = nullptr;
};

// Values by an option's name, which must be in the verb's list; the row's default where the user gave none. A switch is
// taken back by --no-NAME.
class CommandLine {
 public:
  // `argv[0]` is the verb. InvalidArgument: an unknown option, a value that the row does not allow (with the list or
  // the range that it does).
  static Result<CommandLine> parse(const Verb& verb, int argc, char** argv);

  // A value from elsewhere, as a file: counts as given, unless the user gave one. `name` may be an alias. The errors of
  // parse().
  Status add(std::string_view name, const std::string& value);

  bool help() const { return help_; }
  bool given(std::string_view name) const { return given_.contains(name); }
  std::string text(std::string_view name) const;
  bool flag(std::string_view name) const { return given(name) && text(name) == "true"; }
  uint64_t number(std::string_view name) const;
  double real(std::string_view name) const;
  int choice(std::string_view name) const;
  const std::vector<std::string>& arguments() const { return arguments_; }

 private:
  explicit CommandLine(const Verb& verb) : options_(verb.options), aliases_(verb.aliases), check_(verb.check) {}
  const Option& row(std::string_view name) const;

  std::vector<Option> options_;
  std::span<const OptionAlias> aliases_;
  Status (*check_)(const Option& option, const std::string& value);
  std::map<std::string, std::string, std::less<>> given_;
  std::vector<std::string> arguments_;
  bool help_ = false;
};

std::string help_text(const Verb& verb);

// InvalidArgument where the row does not allow `text`, with the list or the range that it does.
Status check_value(const Option& option, const std::string& text);

// A whole text as a number; none for anything else, infinity and NaN included.
std::optional<uint64_t> parse_unsigned(std::string_view text);
std::optional<double> parse_real(std::string_view text);
// "1,2,3" cut at its commas.
std::vector<std::string> split_at_commas(std::string_view text);

}  // namespace resnetft::tool
