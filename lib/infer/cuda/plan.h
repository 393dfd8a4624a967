// SPDX-License-Identifier: MIT
// What an engine holds on one GPU, and a net for one batch size, ready to be queued.
#pragma once

#include <optional>
#include <vector>

#include "device/cuda/cuda_call.h"
#include "infer/cuda/convolution.h"
#include "infer/cuda/steps.h"
#include "infer/cuda/weight_block.h"

namespace resnetft::cuda {

struct Plan {
  StepList list;
  std::vector<std::optional<Convolution>> convolutions;  // one for each step that is one
  size_t workspace_bytes = 0;
};

// Immutable once the engine stands.
struct PreparedNet {
  const Cudnn* cudnn = nullptr;
  int ordinal = 0;
  NumberType number = NumberType::Float16;
  Network network;
  std::vector<LayerOffsets> offsets;
  CudaMemory weights;
  std::vector<Plan> plans;  // the smallest batch first; the last one's is the largest that a session takes
};

// A session's memory on the GPU, each large enough for the plan.
struct Buffers {
  uint8_t* input = nullptr;
  uint8_t* arena = nullptr;
  uint8_t* output = nullptr;
  uint8_t* workspace = nullptr;
};

// Queues all steps of a plan on `stream`, which is the handle's.
Status queue_plan(const PreparedNet& net, const Plan& plan, const Buffers& buffers, cudnnHandle_t handle,
                  cudaStream_t stream);

// A cuDNN handle that works on `stream`.
Result<CudnnHolder<cudnnHandle_t>> make_handle(const Cudnn& cudnn, cudaStream_t stream);

}  // namespace resnetft::cuda
