// SPDX-License-Identifier: MIT
// Where LibTorch computes: on the CPU, or on a GPU with its CUDA half, which is opened on first need.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/StreamGuard.h>

#include <optional>

#include "device/device_choice.h"
#include "resnetft/error.h"

namespace resnetft {

// DeviceUnavailable where LibTorch's CUDA half does not open, or finds no such GPU. Throws as LibTorch does.
Result<at::Device> torch_device(const Device& device);

// A GPU's stream as CUDA knows it, a cudaStream_t; null on other devices. DeviceUnavailable where LibTorch does not
// say.
Result<void*> cuda_stream_of(const c10::Stream& stream);

// While it lives, the calling thread's work on a GPU goes to a stream of its own, of the lowest priority, and waits for
// nobody else's. Nothing on the CPU.
class BackgroundStream {
 public:
  explicit BackgroundStream(const at::Device& device);

 private:
  std::optional<c10::StreamGuard> guard_;
};

}  // namespace resnetft
