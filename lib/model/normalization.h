// SPDX-License-Identifier: MIT
// The kinds of normalisation and the way from one to another, on weights as plain numbers. Free of torch.
#pragma once

#include <cstdint>
#include <string_view>

#include "resnetft/error.h"
#include "resnetft/model.h"

namespace resnetft {

// What every normalisation adds to a variance before the root, as torchvision's do.
inline constexpr double kNormalizationEpsilon = 1e-5;

// "batch", "frozen", "layer", "group".
std::string_view normalization_name(Normalization normalization);

// True for those that keep running statistics (batch and frozen).
bool has_running_statistics(Normalization normalization);

// Groups of a GroupNorm over `channels`: layer 1; group the largest divisor of `channels` up to 32 that leaves at
// least 4 channels a group (1 where there is none). For layer and group only.
int64_t normalization_groups(Normalization normalization, int64_t channels);

// The weights of a net with normalisation `to` that does as nearly as it can what the net with `from` does. Between
// batch and frozen nothing changes. From trained batch statistics (mu_c, var_c) to layer or group: with the mean m and
// variance s^2 that the group's values have when channel c has mu_c and var_c, gamma' = gamma s / sigma_c and
// beta' = beta + gamma (m - mu_c) / sigma_c, and the statistics are dropped. Incompatible for every other pair, since
// layer and group keep no statistics; CorruptFile where a layer's four tensors are not all there and of one length.
Result<FloatWeights> convert_normalization(const FloatWeights& weights, Normalization from, Normalization to);

}  // namespace resnetft
