// SPDX-License-Identifier: MIT
// Calls of CUDA's runtime as Status, the current context put back as it was, and what frees itself where it was made.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <string_view>
#include <utility>

#include "device/cuda/cuda_context.h"
#include "resnetft/error.h"

namespace resnetft {

// OutOfMemory where the GPU's memory ran out, DeviceUnavailable where the driver or the GPU cannot be used, else
// Internal. `doing` opens the message: "copying a frame to the GPU".
Status cuda_status(std::string_view doing, cudaError_t code);

// Makes a context the calling thread's current one while it lives: CUDA's runtime works in that. Pushed on the thread's
// stack and taken off again: what was current before, another library's context too, is so afterwards, and a thread
// that had none has none.
class CurrentContext {
 public:
  explicit CurrentContext(const Result<void*>& context);
  ~CurrentContext();
  CurrentContext(const CurrentContext&) = delete;
  CurrentContext& operator=(const CurrentContext&) = delete;

  const Status& status() const { return status_; }

 private:
  Status status_;
};

// The same of a GPU's primary context.
class CurrentGpu : public CurrentContext {
 public:
  explicit CurrentGpu(int ordinal);
};

// What CUDA made in the context that was current, which is current again when it goes. Null: nothing yet.
template <class Object, cudaError_t (*destroy)(Object)>
class CudaOwned {
 public:
  CudaOwned() = default;
  ~CudaOwned() { reset(); }
  CudaOwned(const CudaOwned&) = delete;
  CudaOwned& operator=(const CudaOwned&) = delete;

  Object get() const { return object_; }
  // `create` puts the new one where it is told; the old one is gone by then.
  template <class Create>
  Status make(std::string_view doing, const Create& create) {
    reset();
    const Result<void*> context = current_context();
    if (!context) return context.error();
    Object made = nullptr;
    Status status = cuda_status(doing, create(&made));
    if (!status) return status;
    object_ = made;
    context_ = *context;
    return status;
  }
  void reset() {
    if (!object_) return;
    const CurrentContext current(context_);
    destroy(std::exchange(object_, nullptr));
  }

 private:
  Object object_ = nullptr;
  void* context_ = nullptr;
};

// Bytes on the GPU that was current when they were taken.
class CudaMemory {
 public:
  // At least so many; what was in it is lost where it grows. The GPU must be done with it.
  Status reserve(size_t bytes);
  size_t bytes() const { return bytes_; }
  uint8_t* data() const { return static_cast<uint8_t*>(memory_.get()); }

 private:
  CudaOwned<void*, cudaFree> memory_;
  size_t bytes_ = 0;
};

// Bytes of the host's memory that the GPU reads and writes by itself.
class PinnedMemory {
 public:
  // At least so many; what was in it is lost where it grows. The GPU must be done with it.
  Status reserve(size_t bytes);
  // reserve(), and zeros.
  Status allocate(size_t bytes);
  uint8_t* data() const { return static_cast<uint8_t*>(memory_.get()); }

 private:
  CudaOwned<void*, cudaFreeHost> memory_;
  size_t bytes_ = 0;
};

// A place in a stream that the host can wait for.
class CudaEvent {
 public:
  Status create();
  Status record(cudaStream_t stream);
  // Until what was queued before it is done; at once where it was never recorded.
  Status wait() const;

 private:
  CudaOwned<cudaEvent_t, cudaEventDestroy> event_;
};

// A stream of its own that waits for no other, or one that is borrowed.
class CudaStream {
 public:
  explicit CudaStream(void* borrowed) : borrowed_(static_cast<cudaStream_t>(borrowed)) {}

  // Where none was borrowed: of the highest priority or, in the background, of the lowest.
  Status create(bool background);
  cudaStream_t get() const { return borrowed_ ? borrowed_ : own_.get(); }

 private:
  cudaStream_t borrowed_;
  CudaOwned<cudaStream_t, cudaStreamDestroy> own_;
};

}  // namespace resnetft
