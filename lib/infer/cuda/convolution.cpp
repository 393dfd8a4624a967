// SPDX-License-Identifier: MIT
#include "infer/cuda/convolution.h"

#include <algorithm>
#include <array>

#include "device/cuda/cuda_call.h"
#include "infer/cuda/kernels.h"
#include "infer/cuda/steps.h"

namespace resnetft::cuda {
namespace {

cudnnDataType_t data_type(Precision precision) {
  switch (number_of(precision)) {
    case NumberType::Float16:
      return CUDNN_DATA_HALF;
    case NumberType::BFloat16:
      return CUDNN_DATA_BFLOAT16;
    case NumberType::Float32:
      break;
  }
  return CUDNN_DATA_FLOAT;
}

// By default cuDNN rounds floats to tf32 where the GPU has it.
cudnnMathType_t math_type(Precision precision) {
  switch (precision) {
    case Precision::Fp32:
      return CUDNN_FMA_MATH;
    case Precision::Tf32:
      return CUDNN_DEFAULT_MATH;
    case Precision::Fp16:
    case Precision::Bf16:
      break;
  }
  return CUDNN_TENSOR_OP_MATH;
}

// The first failure of calls made in turn.
template <size_t kCount>
cudnnStatus_t first_failure(const std::array<cudnnStatus_t, kCount>& codes) {
  for (const cudnnStatus_t code : codes)
    if (code != CUDNN_STATUS_SUCCESS) return code;
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

Convolution::Convolution(const Cudnn& cudnn, const Layer& layer, Precision precision, int batch)
    : cudnn_(&cudnn),
      layer_(layer.weights),
      precision_(precision),
      adds_(layer.residual >= 0),
      relu_(layer.relu),
      pixels_(batch * layer.dst_extent.height * layer.dst_extent.width),
      channels_(layer.dst_extent.channels) {}

Status Convolution::status(cudnnStatus_t code) const {
  if (code == CUDNN_STATUS_SUCCESS) return Status::success();
  return cudnn_status(*cudnn_, "layer '" + layer_ + "'", code);
}

Result<Convolution> Convolution::create(const Cudnn& cudnn, const Layer& layer, Precision precision, int batch) {
  Convolution convolution(cudnn, layer, precision, batch);
  if (Status status = convolution.make_descriptors(); !status) return status.error();
  if (Status status = convolution.describe(layer, batch); !status) return status.error();
  return convolution;
}

Status Convolution::make_descriptors() {
  const auto make = [&](auto& holder, auto create, auto destroy) {
    auto made = make_cudnn(*cudnn_, "layer '" + layer_ + "'", create, destroy);
    if (!made) return Status(made.error());
    holder = std::move(*made);
    return Status::success();
  };
  for (CudnnHolder<cudnnTensorDescriptor_t>* tensor : {&src_, &dst_, &bias_})
    if (Status made = make(*tensor, cudnn_->CreateTensorDescriptor, cudnn_->DestroyTensorDescriptor); !made)
      return made;
  if (Status made = make(weights_, cudnn_->CreateFilterDescriptor, cudnn_->DestroyFilterDescriptor); !made) return made;
  if (Status made = make(convolution_, cudnn_->CreateConvolutionDescriptor, cudnn_->DestroyConvolutionDescriptor);
      !made)
    return made;
  return make(activation_, cudnn_->CreateActivationDescriptor, cudnn_->DestroyActivationDescriptor);
}

Status Convolution::describe(const Layer& layer, int batch) {
  const cudnnDataType_t type = data_type(precision_);
  const auto tensor = [&](const CudnnHolder<cudnnTensorDescriptor_t>& descriptor, int count, const Extent& extent) {
    const int64_t channels = stored_channels(extent.channels, number_of(precision_));
    return cudnn_->SetTensor4dDescriptor(descriptor.get(), CUDNN_TENSOR_NHWC, type, count, static_cast<int>(channels),
                                         static_cast<int>(extent.height), static_cast<int>(extent.width));
  };
  const int64_t in = layer.groups == 1 ? stored_channels(layer.src_extent.channels, number_of(precision_))
                                       : layer.src_extent.channels / layer.groups;
  return status(first_failure(std::array{
      tensor(src_, batch, layer.src_extent), tensor(dst_, batch, layer.dst_extent),
      tensor(bias_, 1, {layer.dst_extent.channels, 1, 1}),
      cudnn_->SetFilter4dDescriptor(weights_.get(), type, CUDNN_TENSOR_NHWC,
                                    static_cast<int>(layer.dst_extent.channels), static_cast<int>(in), layer.kernel,
                                    layer.kernel),
      cudnn_->SetConvolution2dDescriptor(convolution_.get(), layer.padding, layer.padding, layer.stride, layer.stride,
                                         1, 1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
      cudnn_->SetConvolutionGroupCount(convolution_.get(), layer.groups),
      cudnn_->SetConvolutionMathType(convolution_.get(), math_type(precision_)),
      cudnn_->SetActivationDescriptor(activation_.get(), relu_ ? CUDNN_ACTIVATION_RELU : CUDNN_ACTIVATION_IDENTITY,
                                      CUDNN_NOT_PROPAGATE_NAN, 0.0)}));
}

// Without an activation cuDNN's fused call takes one algorithm only. Floats must not become halfs behind our back.
bool Convolution::may_use(const Algorithm& algorithm) const {
  if (algorithm.fused && !relu_ && algorithm.kind != CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM) return false;
  return algorithm.math != CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION;
}

std::vector<Algorithm> Convolution::candidates(cudnnHandle_t handle, bool fused) const {
  std::array<cudnnConvolutionFwdAlgoPerf_t, CUDNN_CONVOLUTION_FWD_ALGO_COUNT> found{};
  int count = 0;
  const cudnnStatus_t code =
      cudnn_->GetConvolutionForwardAlgorithm_v7(handle, src_.get(), weights_.get(), convolution_.get(), dst_.get(),
                                                static_cast<int>(found.size()), &count, found.data());
  std::vector<Algorithm> algorithms;
  const auto add = [&](cudnnConvolutionFwdAlgo_t kind, cudnnMathType_t math) {
    const Algorithm algorithm{kind, precision_ == Precision::Fp32 ? CUDNN_FMA_MATH : math, fused, 0};
    const auto is_same = [&](const Algorithm& other) {
      return other.kind == algorithm.kind && other.math == algorithm.math;
    };
    if (may_use(algorithm) && std::ranges::none_of(algorithms, is_same)) algorithms.push_back(algorithm);
  };
  for (int i = 0; code == CUDNN_STATUS_SUCCESS && i < count; ++i) {
    const cudnnConvolutionFwdAlgoPerf_t& one = found[static_cast<size_t>(i)];
    if (one.status == CUDNN_STATUS_SUCCESS && one.determinism == CUDNN_DETERMINISTIC) add(one.algo, one.mathType);
  }
  add(CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, math_type(precision_));
  add(CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, math_type(precision_));
  return algorithms;
}

Status Convolution::take(cudnnHandle_t handle, Algorithm algorithm) {
  if (Status set = status(cudnn_->SetConvolutionMathType(convolution_.get(), algorithm.math)); !set) return set;
  algorithm_ = algorithm;
  return status(cudnn_->GetConvolutionForwardWorkspaceSize(handle, src_.get(), weights_.get(), convolution_.get(),
                                                           dst_.get(), algorithm_.kind, &algorithm_.workspace_bytes));
}

Status Convolution::run(cudnnHandle_t handle, cudaStream_t stream, const Operands& operands) const {
  return algorithm_.fused ? run_fused(handle, operands) : run_alone(handle, stream, operands);
}

Status Convolution::run_fused(cudnnHandle_t handle, const Operands& operands) const {
  const float one = 1, residual_share = adds_ ? 1.0f : 0.0f;
  return status(cudnn_->ConvolutionBiasActivationForward(
      handle, &one, src_.get(), operands.src, weights_.get(), operands.weights, convolution_.get(), algorithm_.kind,
      operands.workspace, algorithm_.workspace_bytes, &residual_share, dst_.get(),
      adds_ ? operands.residual : operands.dst, bias_.get(), operands.bias, activation_.get(), dst_.get(),
      operands.dst));
}

Status Convolution::run_alone(cudnnHandle_t handle, cudaStream_t stream, const Operands& operands) const {
  const float one = 1, zero = 0;
  if (Status convolved = status(cudnn_->ConvolutionForward(
          handle, &one, src_.get(), operands.src, weights_.get(), operands.weights, convolution_.get(), algorithm_.kind,
          operands.workspace, algorithm_.workspace_bytes, &zero, dst_.get(), operands.dst));
      !convolved)
    return convolved;
  const FinishTask task = {
      operands.dst, operands.bias, adds_ ? operands.residual : nullptr, pixels_, static_cast<int32_t>(channels_),
      relu_};
  return cuda_status("layer '" + layer_ + "'", launch_finish(number_of(precision_), task, stream));
}

}  // namespace resnetft::cuda
