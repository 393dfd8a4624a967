// SPDX-License-Identifier: MIT
// PyTorch's zip checkpoints, out: what torch.load(weights_only=True) reads.
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resnetft/model.h"

namespace resnetft {

// The entry beside data.pkl that holds the model card; PyTorch leaves entries alone that it does not know.
inline constexpr const char* kCardEntry = "resnetft.json";

// A file as pieces in order; the tensors' borrow from the weights, the rest from `texts`.
struct ZipParts {
  std::deque<std::string> texts;
  std::vector<std::span<const std::byte>> pieces;
};

// A checkpoint as torch.save() writes one: a zip whose pickle is an OrderedDict from names to tensors, with `card` as
// one more entry (empty: none). Beside each running mean it has the scalar num_batches_tracked that torchvision's
// load_state_dict(strict=True) asks for. Incompatible beyond 4 GiB, which safetensors can hold.
Result<ZipParts> pytorch_zip_parts(const FloatWeights& weights, std::string_view card);

}  // namespace resnetft
