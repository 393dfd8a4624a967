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

// The device's ordinal; an index that is left out is the first.
int ordinal_of(const at::Device& device);

// A stream of a GPU's, of the lowest priority, that nobody else is lent meanwhile. The next one gets the same: LibTorch
// keeps memory and workspaces for each stream that was ever worked on.
class LentStream {
 public:
  explicit LentStream(const at::Device& device);
  ~LentStream();
  LentStream(const LentStream&) = delete;
  LentStream& operator=(const LentStream&) = delete;
  const c10::Stream& get() const { return stream_; }

 private:
  c10::Stream stream_;
};

// While it lives, the calling thread's work on a GPU goes to such a stream, and waits for nobody else's. Nothing on the
// CPU.
class BackgroundStream {
 public:
  explicit BackgroundStream(const at::Device& device);

 private:
  std::optional<LentStream> stream_;
  std::optional<c10::StreamGuard> guard_;
};

}  // namespace resnetft
