// SPDX-License-Identifier: MIT
// A device of LibTorch's that is the host: its tensors count as elsewhere, so that a tensor that was not moved there or
// back is an error as it would be with a GPU, and the CPU's kernels work on them where they lie.
#pragma once

#include <c10/core/Device.h>

namespace resnetft::testing {

at::Device stand_in_device();

// How often the host has waited for all that a GPU would have to do: for a number of a tensor, or a copy between the
// two that it did not let go on by itself.
int stand_in_waits();
// How many streams were made.
int stand_in_streams();

}  // namespace resnetft::testing
