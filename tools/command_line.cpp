// SPDX-License-Identifier: MIT
#include "command_line.h"

#include <glib.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <memory>

namespace resnetft::tool {
namespace {

struct Freed {
  void operator()(char* text) const { g_free(text); }
  void operator()(char** texts) const { g_strfreev(texts); }
  void operator()(GError* error) const { g_error_free(error); }
  void operator()(GOptionContext* context) const { g_option_context_free(context); }
};

std::string_view placeholder(OptionType type) {
  switch (type) {
    case OptionType::Uint:
    case OptionType::Uint64:
      return "N";
    case OptionType::Double:
      return "X";
    case OptionType::Enum:
    case OptionType::Flags:
      return "NAME";
    default:
      return "TEXT";
  }
}

std::string described(const Option& option) {
  std::string text(option.help);
  if (!option.values.empty()) text += ": " + option_values_text(option);
  if (!option.default_text.empty() && option.type != OptionType::Boolean)
    text += " (default " + std::string(option.default_text) + ")";
  return text;
}

// GOption's table for a list of rows, with the places where it puts what it finds. Every text is taken as bytes, as
// file names are: GOption would refuse UTF-8 labels under LC_ALL=C.
struct Parser {
  explicit Parser(const Verb& verb)
      : values(verb.options.size()), flags(verb.options.size()), negations(verb.options.size()) {
    context.reset(g_option_context_new(keep(verb.arguments)));
    g_option_context_set_help_enabled(context.get(), FALSE);
    g_option_context_set_summary(context.get(), keep(verb.summary));
    if (!verb.description.empty()) g_option_context_set_description(context.get(), keep(verb.description));
    size_t next = 0;
    for (size_t group = 0; group <= verb.groups.size(); ++group) {
      const auto ends = [&] {
        return group < verb.groups.size() && verb.options[next].name == verb.groups[group].first;
      };
      entries.emplace_back();
      for (; next < verb.options.size() && !ends(); ++next) add(verb.options[next], next);
      if (group == 0) add_own();
      entries.back().push_back({});
      group == 0 ? g_option_context_add_main_entries(context.get(), entries.back().data(), nullptr)
                 : add_group(verb.groups[group - 1].title);
    }
  }
  ~Parser() {
    for (char* value : values) g_free(value);
    g_strfreev(rest);
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  void add(const Option& option, size_t index) {
    const bool boolean = option.type == OptionType::Boolean;
    entries.back().push_back({keep(option.name), 0, 0, boolean ? G_OPTION_ARG_NONE : G_OPTION_ARG_FILENAME,
                              boolean ? static_cast<gpointer>(&flags[index]) : static_cast<gpointer>(&values[index]),
                              keep(described(option)), boolean ? nullptr : keep(placeholder(option.type))});
    if (boolean)
      entries.back().push_back({keep("no-" + std::string(option.name)), 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE,
                                &negations[index], "", nullptr});
  }
  void add_own() {
    entries.back().push_back({"help", 'h', 0, G_OPTION_ARG_NONE, &help, "Shows this text", nullptr});
    entries.back().push_back({G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &rest, nullptr, nullptr});
  }
  void add_group(std::string_view title) {
    GOptionGroup* group = g_option_group_new(keep(title), keep(std::string(title) + ":"), "", nullptr, nullptr);
    g_option_group_add_entries(group, entries.back().data());
    g_option_context_add_group(context.get(), group);  // takes it
  }
  const char* keep(std::string_view text) { return texts.emplace_back(text).c_str(); }

  std::deque<std::string> texts;
  std::vector<char*> values;
  std::vector<gboolean> flags, negations;
  std::deque<std::vector<GOptionEntry>> entries;  // of each group
  gboolean help = FALSE;
  char** rest = nullptr;
  std::unique_ptr<GOptionContext, Freed> context;
};

Error unknown_value(const Option& option, std::string_view text) {
  return {ErrorCode::InvalidArgument, "unknown " + std::string(option.name) + " '" + std::string(text) + "'",
          "possible are: " + option_values_text(option)};
}

std::string number_text(double value) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

Error out_of_range(const Option& option, std::string_view text) {
  return {ErrorCode::InvalidArgument,
          "--" + std::string(option.name) + " '" + std::string(text) + "' is not a" +
              (option.type == OptionType::Double ? " number" : " whole number") + " from " +
              number_text(option.minimum) + " to " + number_text(option.maximum),
          ""};
}

}  // namespace

Status check_value(const Option& option, const std::string& text) {
  switch (option.type) {
    case OptionType::Boolean:
      if (text == "true" || text == "false") return Status::success();
      return Error{ErrorCode::InvalidArgument, "--" + std::string(option.name) + " cannot be '" + text + "'",
                   "possible are: true, false"};
    case OptionType::Enum:
    case OptionType::Flags:
      if (!option_value(option, text)) return unknown_value(option, text);
      return Status::success();
    case OptionType::Uint:
    case OptionType::Uint64:
    case OptionType::Double: {
      const std::optional<double> value = parse_real(text);
      const bool whole = option.type == OptionType::Double || parse_unsigned(text).has_value();
      if (!value || !whole || *value < option.minimum || *value > option.maximum) return out_of_range(option, text);
      return Status::success();
    }
    default:
      return Status::success();
  }
}

namespace {

// "--data-path=x" as "--data=x", "-b" as "--batch-size"; what follows "--" stays.
std::deque<std::string> without_aliases(const Verb& verb, int argc, char** argv) {
  std::deque<std::string> words(argv, argv + argc);
  for (size_t i = 1; i < words.size() && words[i] != "--"; ++i)
    for (const OptionAlias& alias : verb.aliases) {
      const std::string dashed = (alias.word.size() == 1 ? "-" : "--") + std::string(alias.word);
      if (words[i] != dashed && !words[i].starts_with(dashed + "=")) continue;
      words[i] = "--" + std::string(alias.option) + words[i].substr(dashed.size());
      break;
    }
  return words;
}

// "--json=true" as "--json", "--json=false" as "--no-json": GOption would take any value of a switch for true.
Status without_switch_values(const Verb& verb, std::deque<std::string>& words) {
  for (size_t i = 1; i < words.size() && words[i] != "--"; ++i) {
    const size_t equals = words[i].find('=');
    if (!words[i].starts_with("--") || equals == std::string::npos) continue;
    const std::string name = words[i].substr(2, equals - 2), value = words[i].substr(equals + 1);
    const Option* option = find_option(verb.options, name);
    if (!option || option->type != OptionType::Boolean) continue;
    if (Status status = check_value(*option, value); !status) return status;
    words[i] = (value == "true" ? "--" : "--no-") + name;
  }
  return Status::success();
}

}  // namespace

Result<CommandLine> CommandLine::parse(const Verb& verb, int argc, char** argv) {
  Parser parser(verb);
  std::deque<std::string> texts = without_aliases(verb, argc, argv);
  if (Status status = without_switch_values(verb, texts); !status) return status.error();
  std::vector<char*> words;
  for (std::string& text : texts) words.push_back(text.data());
  words.push_back(nullptr);
  char** first = words.data();
  GError* raw_error = nullptr;
  if (!g_option_context_parse(parser.context.get(), &argc, &first, &raw_error)) {
    const std::unique_ptr<GError, Freed> error(raw_error);
    return Error{ErrorCode::InvalidArgument, error->message, "see ft-tool " + std::string(verb.name) + " --help"};
  }
  CommandLine line(verb);
  line.help_ = parser.help;
  for (size_t i = 0; i < verb.options.size(); ++i) {
    const std::string_view name = verb.options[i].name;
    if (parser.flags[i] || parser.negations[i]) line.given_[std::string(name)] = parser.flags[i] ? "true" : "false";
    if (!parser.values[i]) continue;
    if (Status status = line.add(name, parser.values[i]); !status) return status.error();
  }
  for (char** word = parser.rest; word && *word; ++word) line.arguments_.emplace_back(*word);
  return line;
}

Status CommandLine::add(std::string_view name, const std::string& value) {
  const auto alias = std::ranges::find(aliases_, name, &OptionAlias::word);
  const std::string_view own = alias == aliases_.end() ? name : alias->option;
  const Option* option = find_option(options_, own);
  if (!option) return Error{ErrorCode::InvalidArgument, "unknown option '" + std::string(name) + "'", ""};
  if (Status status = check_ ? check_(*option, value) : check_value(*option, value); !status) return status;
  given_.emplace(own, value);
  return Status::success();
}

const Option& CommandLine::row(std::string_view name) const {
  const Option* option = find_option(options_, name);
  if (!option) std::abort();  // a verb that asks for what is not in its list
  return *option;
}

std::string CommandLine::text(std::string_view name) const {
  const Option& option = row(name);
  const auto value = given_.find(name);
  return value == given_.end() ? std::string(option.default_text) : value->second;
}

uint64_t CommandLine::number(std::string_view name) const { return parse_unsigned(text(name)).value(); }
double CommandLine::real(std::string_view name) const { return parse_real(text(name)).value(); }
int CommandLine::choice(std::string_view name) const { return option_value(row(name), text(name)).value(); }

std::string help_text(const Verb& verb) {
  Parser parser(verb);
  const std::unique_ptr<char, Freed> help(g_option_context_get_help(parser.context.get(), FALSE, nullptr));
  // GOption names the program after argv[0], which it does not see here.
  const std::string text(help.get());
  const std::string usage = "ft-tool " + std::string(verb.name) + " [OPTION…] " + std::string(verb.arguments);
  return "Usage:\n  " + usage + "\n" + text.substr(text.find("\n\n") + 1);
}

std::optional<uint64_t> parse_unsigned(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::optional<double> parse_real(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
  return good ? std::optional(value) : std::nullopt;
}

std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace resnetft::tool
