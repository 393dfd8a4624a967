// SPDX-License-Identifier: MIT
// From a checkpoint's pickle to named dense tensors.
#pragma once

#include <functional>

#include "model/pickle.h"

namespace resnetft {

// The bytes of a storage; throws Corrupt where there is none of that key or it is too small.
using StorageBytes = std::function<std::span<const std::byte>(const StorageReference& reference)>;

// The tensors of the state dict inside `root`: the dict itself, or what it holds under one of the usual keys. Strided
// tensors are copied into `weights.owners`, at most `max_copied` bytes in all; dense ones borrow. Throws Corrupt.
void collect_state_dict(const PickleValue& root, const StorageBytes& storage_bytes, size_t max_copied,
                        Weights& weights);

}  // namespace resnetft
