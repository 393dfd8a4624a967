// SPDX-License-Identifier: MIT
// The rows of an option table as GObject properties, and the values that a user gave them.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/options.h"

namespace resnetft {

// Installs a property for each row; the ids are 1 to the number of rows, in order. `type_prefix` begins the names of
// the GTypes made for enums and flags: "GstResnetClassify" gives "GstResnetClassifySmoothing".
void install_properties(GObjectClass* object_class, std::span<const Option> options, std::string_view type_prefix);

// Thread-safe. Reading a name that the table lacks is a fault of ours and ends in an assertion.
class Settings {
 public:
  explicit Settings(std::span<const Option> options);

  bool has(guint property_id) const { return property_id >= 1 && property_id <= options_.size(); }
  void set(guint property_id, const GValue* value);
  void get(guint property_id, GValue* value) const;

  bool boolean(std::string_view name) const;
  uint64_t number(std::string_view name) const;  // Uint, Uint64; the value of an Enum, the bits of Flags
  double real(std::string_view name) const;
  std::string text(std::string_view name) const;        // "" for none
  std::string word(std::string_view name) const;        // the name of an Enum's value
  uint64_t version() const { return version_.load(); }  // grows with every set()

 private:
  using Value = std::variant<bool, uint64_t, double, std::string>;
  Value value(std::string_view name) const;

  const std::span<const Option> options_;
  mutable std::mutex lock_;  // innermost
  std::vector<Value> values_;
  std::atomic<uint64_t> version_ = 1;
};

}  // namespace resnetft
