// SPDX-License-Identifier: MIT
// One row for each error code: its name and the exit status of ft-tool.
#include "resnetft/error.h"

#include <array>

namespace resnetft {
namespace {

struct ErrorRow {
  ErrorCode code;
  std::string_view name;
  int exit_status;
};

constexpr std::array kErrors = {
    ErrorRow{ErrorCode::InvalidArgument, "invalid-argument", 2},
    ErrorRow{ErrorCode::NotFound, "not-found", 3},
    ErrorRow{ErrorCode::Io, "io", 4},
    ErrorRow{ErrorCode::CorruptFile, "corrupt-file", 5},
    ErrorRow{ErrorCode::Incompatible, "incompatible", 6},
    ErrorRow{ErrorCode::DeviceUnavailable, "device-unavailable", 7},
    ErrorRow{ErrorCode::OutOfMemory, "out-of-memory", 8},
    ErrorRow{ErrorCode::Cancelled, "cancelled", 9},
    ErrorRow{ErrorCode::Internal, "internal", 10},
};

constexpr bool rows_stand_in_order() {
  for (size_t i = 0; i < kErrors.size(); ++i)
    if (static_cast<size_t>(kErrors[i].code) != i) return false;
  return true;
}
static_assert(rows_stand_in_order());

const ErrorRow& row(ErrorCode code) { return kErrors.at(static_cast<size_t>(code)); }

}  // namespace

std::string_view error_name(ErrorCode code) { return row(code).name; }

int exit_status(ErrorCode code) { return row(code).exit_status; }

std::string to_string(const Error& error) {
  return error.hint.empty() ? error.message : error.message + "; " + error.hint;
}

}  // namespace resnetft
