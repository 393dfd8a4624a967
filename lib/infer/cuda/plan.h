// SPDX-License-Identifier: MIT
// What an engine holds on one GPU, and a net for one batch size, ready to be queued.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "device/cuda/cuda_call.h"
#include "infer/cuda/convolution.h"
#include "infer/cuda/steps.h"
#include "infer/cuda/weight_block.h"

namespace resnetft::cuda {

struct Plan {
  StepList list;
  std::vector<std::shared_ptr<const Convolution>> convolutions;  // of the steps that are one; equal layers share theirs
  size_t workspace_bytes = 0;
};

// Immutable once the engine stands.
struct PreparedNet {
  const Cudnn* cudnn = nullptr;
  int ordinal = 0;
  bool background = false;  // as EngineSpec says
  NumberType number = NumberType::Float16;
  Network network;
  std::vector<LayerOffsets> offsets;
  CudaMemory weights;
  CudaStream stream{nullptr};
  CudnnHandle handle;       // on the stream, but while it is HandleOnStream's
  std::vector<Plan> plans;  // the smallest batch first; the last one's is the largest that a session takes
};

// A session's memory on the GPU, each large enough for the plan.
struct Buffers {
  uint8_t* input = nullptr;
  uint8_t* arena = nullptr;
  uint8_t* output = nullptr;
  uint8_t* workspace = nullptr;
};

// Has the engine's handle, on which its plans were made, work on a session's stream while it lives; one at a time.
class HandleOnStream {
 public:
  HandleOnStream(const PreparedNet& net, cudaStream_t stream);
  ~HandleOnStream();
  HandleOnStream(const HandleOnStream&) = delete;
  HandleOnStream& operator=(const HandleOnStream&) = delete;

  const Status& status() const { return status_; }

 private:
  const PreparedNet& net_;
  std::scoped_lock<std::mutex> guard_;
  Status status_;
};

// Queues all steps of a plan on `stream`, which is the handle's.
Status queue_plan(const PreparedNet& net, const Plan& plan, const Buffers& buffers, cudaStream_t stream);

}  // namespace resnetft::cuda
