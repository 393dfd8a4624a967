// SPDX-License-Identifier: MIT
// A way in which cuDNN does a convolution layer: convolution, residual sum, bias and ReLU at once, or the convolution
// alone and a kernel of ours for the rest.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "device/frame_change.h"
#include "infer/cuda/cudnn_graph.h"
#include "infer/engine.h"
#include "model/network.h"

namespace resnetft::cuda {

// The GPU that cuDNN shall name ways for: a handle's; or one that is not here, by its properties
// (CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR): its ways can be listed, not run.
struct TargetGpu {
  cudnnHandle_t handle = nullptr;
  Descriptor properties = nullptr;
};

// The GPU's addresses. `residual`: what is added; any address where the layer adds nothing.
struct Operands {
  const void* src = nullptr;
  const void* weights = nullptr;
  const void* bias = nullptr;
  const void* residual = nullptr;
  void* dst = nullptr;
  void* workspace = nullptr;
};

// A way by its place among those that one of cuDNN's heuristics names. Each time that one cuDNN is asked for ways of
// the same layer, batch and precision on the same GPU, it names the same.
struct Way {
  bool fused = false;
  cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
  size_t place = 0;
  bool operator==(const Way&) const = default;
};

class Convolution {
 public:
  // The ways for `batch` pictures in NHWC, channels as they are stored (steps.h): best first by cuDNN's heuristics,
  // some ten at most, and only such as give the same bits each time and round no number further than the precision
  // does; or the one of these that is `only`. Incompatible where there is none.
  static Result<std::vector<Convolution>> ways(const Cudnn& cudnn, const TargetGpu& gpu, const Layer& layer,
                                               Precision precision, int batch, bool fused, const Way* only = nullptr);

  const Way& way() const { return way_; }
  size_t workspace_bytes() const { return workspace_bytes_; }

  // Returns when the work is queued on `stream`, the handle's.
  Status run(cudnnHandle_t handle, cudaStream_t stream, const Operands& operands) const;

 private:
  Convolution(const Cudnn& cudnn, const Layer& layer, Precision precision, int batch, const Way& way);
  // Chooses an engine with its settings, once.
  cudnnStatus_t plan(const TargetGpu& gpu, Descriptor configuration);
  Status finish(cudaStream_t stream, const Operands& operands) const;

  const Cudnn* cudnn_;
  std::string layer_;
  NumberType number_;
  Way way_;
  bool adds_, relu_;
  int32_t batch_;
  Extent dst_;
  std::array<std::shared_ptr<Descriptors>, 2> asked_;  // what the plan came from
  std::unique_ptr<Descriptors> own_;
  Descriptor plan_ = nullptr;  // one of its own
  size_t workspace_bytes_ = 0;
};

}  // namespace resnetft::cuda
