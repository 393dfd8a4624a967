// SPDX-License-Identifier: MIT
// A model as the bytes of a safetensors file.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "resnetft/model.h"

namespace resnetft {

// Header, then the tensors' bytes in the order of their names; these borrow from `weights`.
struct FileParts {
  std::string header;
  std::vector<std::span<const std::byte>> tensors;
  std::vector<std::span<const std::byte>> all() const;
};

FileParts safetensors_parts(const ModelCard& card, const FloatWeights& weights);
std::string sha256_of_parts(const FileParts& parts);

}  // namespace resnetft
