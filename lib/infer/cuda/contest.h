// SPDX-License-Identifier: MIT
// Which of cuDNN's ways of doing a convolution is the fastest on this GPU, fused or alone with our kernel: each is
// timed as it will run, in a CUDA graph.
#pragma once

#include <optional>

#include "device/cuda/cuda_call.h"
#include "infer/cuda/convolution.h"
#include "infer/cuda/cuda_graph.h"
#include "infer/cuda/winners.h"

namespace resnetft::cuda {

class Contest {
 public:
  // Borrows cuDNN, its handle and the stream, which is the handle's, of the GPU `ordinal`. Work is queued there.
  Contest(const Cudnn& cudnn, cudnnHandle_t handle, cudaStream_t stream, Precision precision, int ordinal)
      : cudnn_(cudnn), handle_(handle), stream_(stream), precision_(precision), ordinal_(ordinal) {}

  // Timed unless it is known from an engine before. `weights` and `bias` are the GPU's. OutOfMemory; the last way's
  // error where none works.
  Result<Convolution> fastest(const Layer& layer, int batch, const void* weights, const void* bias);

 private:
  using Event = CudaOwned<cudaEvent_t, cudaEventDestroy>;
  struct Entrant {
    Convolution convolution;
    Graph runs;
    float shortest;  // of its rounds, in ms
  };

  std::optional<Convolution> known(const ConvolutionKind& kind, const Layer& layer, int batch);
  Status make_numbers(CudaMemory& memory, size_t bytes);
  Status make_room(const Layer& layer, int batch);
  Status make_workspace(std::vector<Entrant>& entrants);
  Result<std::vector<Entrant>> entrants(const Layer& layer, int batch);
  Result<float> try_out(Entrant& entrant, const Operands& operands, float best);
  Status play(Entrant& entrant);
  template <class Queue>
  Result<float> milliseconds(const Queue& queue);

  const Cudnn& cudnn_;
  cudnnHandle_t handle_;
  cudaStream_t stream_;
  Precision precision_;
  int ordinal_;
  CudaMemory src_, residual_, dst_, workspace_;
  Event start_, end_;
};

}  // namespace resnetft::cuda
