// SPDX-License-Identifier: MIT
// Which of cuDNN's algorithms a convolution gets: each is run a few times on this GPU, and the fastest stays.
#pragma once

#include "device/cuda/cuda_call.h"
#include "device/frame_change.h"
#include "infer/cuda/convolution.h"

namespace resnetft::cuda {

class Contest {
 public:
  // Borrows all three. Work is queued on the stream, which is the handle's.
  Contest(cudnnHandle_t handle, cudaStream_t stream, NumberType number)
      : handle_(handle), stream_(stream), number_(number) {}
  ~Contest();
  Contest(const Contest&) = delete;
  Contest& operator=(const Contest&) = delete;

  // Has the convolution, which is of that layer and batch, take the winner, one that fuses if there is any. `weights`
  // and `bias` are the GPU's. OutOfMemory; the last candidate's error where none works.
  Status hold(Convolution& convolution, const Layer& layer, int batch, const void* weights, const void* bias);

 private:
  Status make_room(const Layer& layer, int batch);
  Result<Algorithm> fastest(Convolution& convolution, bool fused, const void* weights, const void* bias);
  Result<float> trial(Convolution& convolution, const Algorithm& candidate, const void* weights, const void* bias);
  Result<float> milliseconds(const Convolution& convolution, const Operands& operands);

  cudnnHandle_t handle_;
  cudaStream_t stream_;
  NumberType number_;
  CudaMemory src_, residual_, dst_, workspace_;
  cudaEvent_t start_ = nullptr, end_ = nullptr;
};

}  // namespace resnetft::cuda
