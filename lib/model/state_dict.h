// SPDX-License-Identifier: MIT
// From a checkpoint's pickle to named dense tensors.
#pragma once

#include <functional>

#include "model/pickle.h"

namespace resnetft {

// The bytes of a storage; throws Corrupt where there is none of that key or it is too small.
using StorageBytes = std::function<std::span<const std::byte>(const StorageReference& reference)>;

// The tensors of the state dict inside `root`: the dict itself, or the one that it holds under a usual key
// ("state_dict", "model" ...), at any depth; else one whose keys end in ".weight". Plain values beside it (epoch,
// accuracy) go into the metadata as text. Strided tensors are copied into `weights.owners`, at most the file's size in
// all; dense ones borrow. Throws Corrupt, also where all tensors together are more than four times the file's size and
// 16 MiB: sharing of storages is honoured within that.
void collect_state_dict(const PickleValue& root, const StorageBytes& storage_bytes, size_t file_size, Weights& weights);

}  // namespace resnetft
