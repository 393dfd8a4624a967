// SPDX-License-Identifier: MIT
// Calls of CUDA's runtime as Status, the current device put back where it was, and memory that frees itself.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <string_view>
#include <utility>

#include "resnetft/error.h"

namespace resnetft {

// OutOfMemory where the GPU's memory ran out, DeviceUnavailable where the driver or the GPU cannot be used, else
// Internal. `doing` opens the message: "copying a frame to the GPU".
Status cuda_status(std::string_view doing, cudaError_t code);

// Makes a GPU the calling thread's current one while it lives.
class CurrentGpu {
 public:
  explicit CurrentGpu(int ordinal);
  ~CurrentGpu();
  CurrentGpu(const CurrentGpu&) = delete;
  CurrentGpu& operator=(const CurrentGpu&) = delete;

  const Status& status() const { return status_; }

 private:
  int before_ = 0;
  Status status_;
};

// Bytes on the GPU that was current when they were taken.
class CudaMemory {
 public:
  CudaMemory() = default;
  ~CudaMemory() { cudaFree(data_); }
  CudaMemory(const CudaMemory&) = delete;
  CudaMemory& operator=(const CudaMemory&) = delete;

  // At least so many; what was in it is lost where it grows. Growing waits for the GPU.
  Status reserve(size_t bytes);
  size_t bytes() const { return bytes_; }
  uint8_t* data() const { return static_cast<uint8_t*>(data_); }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// Bytes of the host's memory that the GPU reads and writes by itself.
class PinnedMemory {
 public:
  PinnedMemory() = default;
  ~PinnedMemory() { cudaFreeHost(data_); }
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;

  // At least so many; what was in it is lost where it grows. The GPU must be done with it.
  Status reserve(size_t bytes);
  // reserve(), and zeros.
  Status allocate(size_t bytes);
  uint8_t* data() const { return static_cast<uint8_t*>(data_); }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// A place in a stream that the host can wait for.
class CudaEvent {
 public:
  CudaEvent() = default;
  ~CudaEvent() {
    if (event_) cudaEventDestroy(event_);
  }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  Status create();
  Status record(cudaStream_t stream);
  // Until what was queued before it is done; at once where it was never recorded.
  Status wait() const;

 private:
  cudaEvent_t event_ = nullptr;
};

// A stream of its own that waits for no other, of the highest priority: training beside it has the lowest. Or one that
// is borrowed.
class CudaStream {
 public:
  explicit CudaStream(void* borrowed) : stream_(static_cast<cudaStream_t>(borrowed)) {}
  ~CudaStream() {
    if (own_) cudaStreamDestroy(stream_);
  }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  // Where none was borrowed.
  Status create();
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_;
  bool own_ = false;
};

}  // namespace resnetft
