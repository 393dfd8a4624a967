// SPDX-License-Identifier: MIT
#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "train/torch/batch_source.h"

namespace resnetft {

// The batches of `source` with their input on `device`, copied there while the batch before is worked on: one batch is
// read ahead. `source` itself where the device is the CPU.
std::unique_ptr<BatchSource> on_device(std::unique_ptr<BatchSource> source, const at::Device& device);

}  // namespace resnetft
