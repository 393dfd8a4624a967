// SPDX-License-Identifier: MIT
// cuDNN 9, opened by hand on first need: nothing else of resnetft's needs it, and the module opens without it.
#pragma once

#include <cudnn.h>

#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "resnetft/error.h"

namespace resnetft::cuda {

// The functions that are called, by their names without "cudnn". All are in every 9.x.
#define RESNETFT_CUDNN_FUNCTIONS(X) \
  X(GetVersion)                     \
  X(GetErrorString)                 \
  X(Create)                         \
  X(Destroy)                        \
  X(SetStream)                      \
  X(BackendCreateDescriptor)        \
  X(BackendDestroyDescriptor)       \
  X(BackendSetAttribute)            \
  X(BackendGetAttribute)            \
  X(BackendFinalize)                \
  X(BackendExecute)

struct Cudnn {
#define RESNETFT_CUDNN_MEMBER(name) decltype(&cudnn##name) name = nullptr;
  RESNETFT_CUDNN_FUNCTIONS(RESNETFT_CUDNN_MEMBER)
#undef RESNETFT_CUDNN_MEMBER
};

// The first of `libraries`, file names or paths, that opens; it stays open. DeviceUnavailable where none opens or one
// is no cuDNN, Incompatible where it is of another major version than the headers.
Result<Cudnn> load_cudnn(std::span<const std::string> libraries);

// Where the loader finds libcudnn.so.9, else in PyPI's package beside LibTorch. Once; a failure is not remembered.
// Thread-safe.
Result<const Cudnn*> open_cudnn();

// OutOfMemory, Incompatible (a convolution that cuDNN does not have), DeviceUnavailable or Internal.
Status cudnn_status(const Cudnn& cudnn, std::string_view doing, cudnnStatus_t status);

// Whoever records a graph holds it, and whoever calls a handle or a plan, of which cuDNN does not say that several
// threads may, or ends a handle: cuDNN then waits for the whole GPU, which it must not while a stream is recorded.
std::mutex& cudnn_mutex();

// cuDNN's handle on the GPU that was current when it was made.
class CudnnHandle {
 public:
  CudnnHandle() = default;
  ~CudnnHandle() { end(); }
  CudnnHandle(const CudnnHandle&) = delete;
  CudnnHandle& operator=(const CudnnHandle&) = delete;

  // That works on `stream`.
  Status create(const Cudnn& cudnn, cudaStream_t stream);
  void end();
  cudnnHandle_t get() const { return handle_; }

 private:
  const Cudnn* cudnn_ = nullptr;
  cudnnHandle_t handle_ = nullptr;
};

}  // namespace resnetft::cuda
