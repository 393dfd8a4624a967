// SPDX-License-Identifier: MIT
// Writes what torch.load(weights_only=True) reads.
#pragma once

#include <cstddef>
#include <vector>

#include "resnetft/model.h"

namespace resnetft {

// A checkpoint as torch.save() writes one: a zip whose pickle is an OrderedDict from names to tensors. Beside each
// running mean it has the scalar num_batches_tracked that torchvision's load_state_dict(strict=True) asks for.
Result<std::vector<std::byte>> pytorch_zip_bytes(const FloatWeights& weights);

}  // namespace resnetft
