// SPDX-License-Identifier: MIT
#include "settings.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

namespace resnetft {
namespace {

const char* interned(std::string_view text) { return g_intern_string(std::string(text).c_str()); }

// "smoothing-window" -> "SmoothingWindow"
std::string camel_case(std::string_view name) {
  std::string result;
  bool upper = true;
  for (const char letter : name) {
    if (letter != '-') result += upper ? g_ascii_toupper(letter) : letter;
    upper = letter == '-';
  }
  return result;
}

// GType keeps the tables of values for ever, so they are never freed.
GType enum_type(const std::string& name, const Option& option) {
  if (const GType known = g_type_from_name(name.c_str())) return known;
  GEnumValue* values = g_new0(GEnumValue, option.values.size() + 1);
  for (size_t i = 0; i < option.values.size(); ++i)
    values[i] = {option.values[i].value, interned(option.values[i].help), interned(option.values[i].name)};
  return g_enum_register_static(name.c_str(), values);
}

GType flags_type(const std::string& name, const Option& option) {
  if (const GType known = g_type_from_name(name.c_str())) return known;
  GFlagsValue* values = g_new0(GFlagsValue, option.values.size() + 1);
  for (size_t i = 0; i < option.values.size(); ++i)
    values[i] = {static_cast<guint>(option.values[i].value), interned(option.values[i].help),
                 interned(option.values[i].name)};
  return g_flags_register_static(name.c_str(), values);
}

GParamFlags param_flags(const Option& option) {
  int flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
  flags |= option.while_playing ? GST_PARAM_MUTABLE_PLAYING : GST_PARAM_MUTABLE_READY;
  if (option.controllable) flags |= GST_PARAM_CONTROLLABLE;
  return static_cast<GParamFlags>(flags);
}

// 2^64 - 1 as a double is 2^64, which no uint64 holds.
uint64_t to_uint64(double value) {
  return value >= static_cast<double>(std::numeric_limits<uint64_t>::max()) ? std::numeric_limits<uint64_t>::max()
                                                                            : static_cast<uint64_t>(value);
}

uint64_t default_number(const Option& option) {
  return std::strtoull(std::string(option.default_text).c_str(), nullptr, 10);
}

double default_real(const Option& option) { return g_ascii_strtod(std::string(option.default_text).c_str(), nullptr); }

uint64_t default_word(const Option& option) {
  const std::optional<int> value = option_value(option, option.default_text);
  g_assert(value);
  return static_cast<uint64_t>(*value);
}

GParamSpec* make_param(const Option& option, std::string_view type_prefix) {
  const char *name = interned(option.name), *help = interned(option.help);
  const GParamFlags flags = param_flags(option);
  const std::string type = std::string(type_prefix) + camel_case(option.name);
  switch (option.type) {
    case OptionType::Boolean:
      return g_param_spec_boolean(name, name, help, option.default_text == "true", flags);
    case OptionType::Uint:
      return g_param_spec_uint(name, name, help, static_cast<guint>(option.minimum), static_cast<guint>(option.maximum),
                               static_cast<guint>(default_number(option)), flags);
    case OptionType::Uint64:
      return g_param_spec_uint64(name, name, help, to_uint64(option.minimum), to_uint64(option.maximum),
                                 default_number(option), flags);
    case OptionType::Double:
      return g_param_spec_double(name, name, help, option.minimum, option.maximum, default_real(option), flags);
    case OptionType::String:
      return g_param_spec_string(name, name, help,
                                 option.default_text.empty() ? nullptr : interned(option.default_text), flags);
    case OptionType::Enum:
      return g_param_spec_enum(name, name, help, enum_type(type, option), static_cast<gint>(default_word(option)),
                               flags);
    case OptionType::Flags:
      return g_param_spec_flags(name, name, help, flags_type(type, option), static_cast<guint>(default_word(option)),
                                flags);
  }
  g_assert_not_reached();
}

}  // namespace

void install_properties(GObjectClass* object_class, std::span<const Option> options, std::string_view type_prefix) {
  for (size_t i = 0; i < options.size(); ++i) {
    GParamSpec* spec = make_param(options[i], type_prefix);
    g_object_class_install_property(object_class, static_cast<guint>(i + 1), spec);
    if (options[i].type == OptionType::Enum || options[i].type == OptionType::Flags)
      gst_type_mark_as_plugin_api(G_PARAM_SPEC_VALUE_TYPE(spec), static_cast<GstPluginAPIFlags>(0));
  }
}

Settings::Settings(std::span<const Option> options) : options_(options) {
  for (const Option& option : options_) {
    switch (option.type) {
      case OptionType::Boolean:
        values_.emplace_back(option.default_text == "true");
        break;
      case OptionType::Uint:
      case OptionType::Uint64:
        values_.emplace_back(default_number(option));
        break;
      case OptionType::Double:
        values_.emplace_back(default_real(option));
        break;
      case OptionType::String:
        values_.emplace_back(std::string(option.default_text));
        break;
      case OptionType::Enum:
      case OptionType::Flags:
        values_.emplace_back(default_word(option));
        break;
    }
  }
}

void Settings::set(guint property_id, const GValue* value) {
  const std::scoped_lock guard(lock_);
  Value& slot = values_[property_id - 1];
  switch (options_[property_id - 1].type) {
    case OptionType::Boolean:
      slot = static_cast<bool>(g_value_get_boolean(value));
      break;
    case OptionType::Uint:
      slot = static_cast<uint64_t>(g_value_get_uint(value));
      break;
    case OptionType::Uint64:
      slot = static_cast<uint64_t>(g_value_get_uint64(value));
      break;
    case OptionType::Double:
      slot = g_value_get_double(value);
      break;
    case OptionType::String: {
      const gchar* text = g_value_get_string(value);
      slot = std::string(text ? text : "");
      break;
    }
    case OptionType::Enum:
      slot = static_cast<uint64_t>(g_value_get_enum(value));
      break;
    case OptionType::Flags:
      slot = static_cast<uint64_t>(g_value_get_flags(value));
      break;
  }
  ++version_;
}

void Settings::get(guint property_id, GValue* value) const {
  const std::scoped_lock guard(lock_);
  const Value& slot = values_[property_id - 1];
  switch (options_[property_id - 1].type) {
    case OptionType::Boolean:
      g_value_set_boolean(value, std::get<bool>(slot));
      break;
    case OptionType::Uint:
      g_value_set_uint(value, static_cast<guint>(std::get<uint64_t>(slot)));
      break;
    case OptionType::Uint64:
      g_value_set_uint64(value, std::get<uint64_t>(slot));
      break;
    case OptionType::Double:
      g_value_set_double(value, std::get<double>(slot));
      break;
    case OptionType::String: {
      const std::string& text = std::get<std::string>(slot);
      g_value_set_string(value, text.empty() ? nullptr : text.c_str());
      break;
    }
    case OptionType::Enum:
      g_value_set_enum(value, static_cast<gint>(std::get<uint64_t>(slot)));
      break;
    case OptionType::Flags:
      g_value_set_flags(value, static_cast<guint>(std::get<uint64_t>(slot)));
      break;
  }
}

Settings::Value Settings::value(std::string_view name) const {
  const Option* option = find_option(options_, name);
  g_assert(option);
  const std::scoped_lock guard(lock_);
  return values_[static_cast<size_t>(option - options_.data())];
}

bool Settings::boolean(std::string_view name) const { return std::get<bool>(value(name)); }
uint64_t Settings::number(std::string_view name) const { return std::get<uint64_t>(value(name)); }
double Settings::real(std::string_view name) const { return std::get<double>(value(name)); }
std::string Settings::text(std::string_view name) const { return std::get<std::string>(value(name)); }

std::string Settings::word(std::string_view name) const {
  const int chosen = static_cast<int>(number(name));
  for (const OptionValue& candidate : find_option(options_, name)->values)
    if (candidate.value == chosen) return std::string(candidate.name);
  return {};
}

}  // namespace resnetft
