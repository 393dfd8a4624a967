// SPDX-License-Identifier: MIT
// A convolution layer as cuDNN runs it: convolution, bias, residual sum and ReLU in one call; where it has no such call
// for a layer, the convolution alone, and a kernel of ours for the rest.
#pragma once

#include <string>
#include <vector>

#include "infer/cuda/cudnn_library.h"
#include "infer/engine.h"
#include "model/network.h"

namespace resnetft::cuda {

// How the sums are made. cuDNN's algorithms differ in speed, memory and the last bits.
struct Algorithm {
  cudnnConvolutionFwdAlgo_t kind = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
  cudnnMathType_t math = CUDNN_DEFAULT_MATH;
  bool fused = true;
  size_t workspace_bytes = 0;
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

class Convolution {
 public:
  // For `batch` pictures in NHWC, channels as they are stored (steps.h). No algorithm is chosen yet.
  static Result<Convolution> create(const Cudnn& cudnn, const Layer& layer, Precision precision, int batch);

  // Those that cuDNN's heuristics name, best first, then the two that do every convolution; only such as give the same
  // bits each time.
  std::vector<Algorithm> candidates(cudnnHandle_t handle, bool fused) const;

  // Incompatible where cuDNN does not do this convolution that way. Finds the workspace that it needs.
  Status take(cudnnHandle_t handle, Algorithm algorithm);
  const Algorithm& algorithm() const { return algorithm_; }

  // Returns when the work is queued on `stream`, the handle's. May be called by several threads at once, each with a
  // handle of its own.
  Status run(cudnnHandle_t handle, cudaStream_t stream, const Operands& operands) const;

 private:
  Convolution(const Cudnn& cudnn, const Layer& layer, Precision precision, int batch);
  Status make_descriptors();
  Status describe(const Layer& layer, int batch);
  bool may_use(const Algorithm& algorithm) const;
  Status run_fused(cudnnHandle_t handle, const Operands& operands) const;
  Status run_alone(cudnnHandle_t handle, cudaStream_t stream, const Operands& operands) const;
  Status status(cudnnStatus_t code) const;

  const Cudnn* cudnn_;
  std::string layer_;
  Precision precision_;
  bool adds_, relu_;
  int64_t pixels_, channels_;  // of the output
  Algorithm algorithm_;
  CudnnHolder<cudnnTensorDescriptor_t> src_{nullptr, nullptr}, dst_{nullptr, nullptr}, bias_{nullptr, nullptr};
  CudnnHolder<cudnnFilterDescriptor_t> weights_{nullptr, nullptr};
  CudnnHolder<cudnnConvolutionDescriptor_t> convolution_{nullptr, nullptr};
  CudnnHolder<cudnnActivationDescriptor_t> activation_{nullptr, nullptr};
};

}  // namespace resnetft::cuda
