// SPDX-License-Identifier: MIT
// The closed list of errors, and Result<T>: how every public function of resnetft says that it failed.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace resnetft {

enum class ErrorCode {
  InvalidArgument,    // a value that is never right: the message names it and what is possible
  NotFound,           // a file, folder, name or model that is not there
  Io,                 // the operating system refused to read or write
  CorruptFile,        // a file that is not what it says it is, or is cut short
  Incompatible,       // two good things that do not fit each other
  DeviceUnavailable,  // a device that was named and cannot be used
  OutOfMemory,        // memory of the host or of a device ran out
  Cancelled,          // stopped because somebody asked
  Internal,           // a fault of resnetft's own
};

// What failed, on which file or value (`message`), and what to do about it (`hint`, may be empty).
struct Error {
  ErrorCode code;
  std::string message;
  std::string hint;
};

// The kebab-case name of a code, as it stands in JSON: "corrupt-file".
std::string_view error_name(ErrorCode code);

// The exit status of a command that ends with this error: 2 for InvalidArgument (usage), 3 and up for the others.
int exit_status(ErrorCode code);

// "message; hint", or the message alone where there is no hint.
std::string to_string(const Error& error);

// A value or an Error, never both and never neither. Reading the side that is not there is a fault of the caller's
// and throws std::bad_variant_access.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

// The Result of a function that returns nothing: `return Status::success();` or an Error.
struct Success {};
class [[nodiscard]] Status : public Result<Success> {
 public:
  using Result<Success>::Result;
  static Status success() { return Status(Success{}); }
};

}  // namespace resnetft
