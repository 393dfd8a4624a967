// SPDX-License-Identifier: MIT
// How the readers of weight files leave when a file is not what it says: thrown inside them only, and turned into an
// Error with the file's name at their border.
#pragma once

#include <new>
#include <string>

#include "model/weights.h"

namespace resnetft {

struct Corrupt {
  std::string reason;
  std::string hint = "fetch or write the file again; safetensors and PyTorch checkpoints are read";
};

// Runs `parse()`, which returns Weights and may throw Corrupt.
template <class Parse>
Result<Weights> with_file_name(const std::string& name, std::string_view format, Parse parse) {
  try {
    Weights weights = parse();
    weights.format = format;
    return weights;
  } catch (const Corrupt& corrupt) {
    return Error{ErrorCode::CorruptFile, "weights '" + name + "': " + corrupt.reason, corrupt.hint};
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::OutOfMemory, "weights '" + name + "': memory ran out", "free some memory"};
  }
}

}  // namespace resnetft
