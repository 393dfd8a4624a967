// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "device/torch/torch_device.h"
#include "train/torch/batch_source.h"

namespace resnetft {

// The batches of `source` with their input on `device`, copied there while the batch before is worked on, where
// prefetch() is called. `source` itself where the device is the CPU.
std::unique_ptr<BatchSource> on_device(std::unique_ptr<BatchSource> source, const at::Device& device);

// What it is made of. The batches of `source`, copied to the device on the current stream.
std::unique_ptr<BatchSource> copied_to(const at::Device& device, std::unique_ptr<BatchSource> source);
// The batches of `source`, which puts its work on the current stream: done on `stream`, one batch ahead with
// prefetch().
std::unique_ptr<BatchSource> ahead_on(std::unique_ptr<LentStream> stream, std::unique_ptr<BatchSource> source);

}  // namespace resnetft
