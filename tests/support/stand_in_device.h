// SPDX-License-Identifier: MIT
// A device of LibTorch's that is the host: its tensors count as elsewhere, so that a tensor that was not moved there or
// back is an error as it would be with a GPU, and the CPU's kernels work on them where they lie.
#pragma once

#include <c10/core/Device.h>

namespace resnetft::testing {

at::Device stand_in_device();

}  // namespace resnetft::testing
