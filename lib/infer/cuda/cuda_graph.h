// SPDX-License-Identifier: MIT
// A recorded list of copies and kernels, launched as one.
#pragma once

#include <utility>

#include "device/cuda/cuda_call.h"

namespace resnetft::cuda {

class Graph {
 public:
  Graph() = default;
  Graph(Graph&& other) noexcept : executable_(std::exchange(other.executable_, nullptr)) {}
  Graph& operator=(Graph&& other) noexcept {
    std::swap(executable_, other.executable_);
    return *this;
  }
  ~Graph() {
    if (executable_) cudaGraphExecDestroy(executable_);
  }

  // What `queue` puts on the stream, once. Only this thread's calls must be fit for recording: others go on allocating.
  // What CUDA and cuDNN load on first use cannot be loaded meanwhile: it has run before. A thread that waits for the
  // whole GPU ends the recording, which then begins anew.
  template <class Function>
  Status record(cudaStream_t stream, Function&& queue) {
    cudaGraph_t graph = nullptr;
    Status status = Status::success(), queued = Status::success();
    cudaError_t code = cudaErrorStreamCaptureInvalidated;
    for (int attempt = 0; attempt < kAttempts && code == cudaErrorStreamCaptureInvalidated; ++attempt) {
      status = cuda_status("recording a CUDA graph", cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
      if (!status) return status;
      queued = queue();
      code = cudaStreamEndCapture(stream, &graph);
      status = cuda_status("recording a CUDA graph", code);
    }
    if (queued && status) status = cuda_status("preparing a CUDA graph", cudaGraphInstantiate(&executable_, graph, 0));
    if (graph) cudaGraphDestroy(graph);
    if (!queued) return queued;
    return status ? cuda_status("preparing a CUDA graph", cudaGraphUpload(executable_, stream)) : status;
  }

  cudaError_t launch(cudaStream_t stream) const { return cudaGraphLaunch(executable_, stream); }

 private:
  static constexpr int kAttempts = 5;

  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace resnetft::cuda
