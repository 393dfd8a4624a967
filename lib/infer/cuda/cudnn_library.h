// SPDX-License-Identifier: MIT
// cuDNN 9, opened by hand on first need: nothing else of resnetft's needs it, and the module opens without it.
#pragma once

#include <cudnn.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "resnetft/error.h"

namespace resnetft::cuda {

// The functions that are called, by their names without "cudnn". All are in every 9.x.
#define RESNETFT_CUDNN_FUNCTIONS(X)     \
  X(GetVersion)                         \
  X(GetErrorString)                     \
  X(Create)                             \
  X(Destroy)                            \
  X(SetStream)                          \
  X(CreateTensorDescriptor)             \
  X(DestroyTensorDescriptor)            \
  X(SetTensor4dDescriptor)              \
  X(CreateFilterDescriptor)             \
  X(DestroyFilterDescriptor)            \
  X(SetFilter4dDescriptor)              \
  X(CreateConvolutionDescriptor)        \
  X(DestroyConvolutionDescriptor)       \
  X(SetConvolution2dDescriptor)         \
  X(SetConvolutionGroupCount)           \
  X(SetConvolutionMathType)             \
  X(CreateActivationDescriptor)         \
  X(DestroyActivationDescriptor)        \
  X(SetActivationDescriptor)            \
  X(GetConvolutionForwardAlgorithm_v7)  \
  X(GetConvolutionForwardWorkspaceSize) \
  X(ConvolutionForward)                 \
  X(ConvolutionBiasActivationForward)

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

// A cuDNN object, destroyed with its holder.
template <class Object>
using CudnnHolder = std::unique_ptr<std::remove_pointer_t<Object>, cudnnStatus_t (*)(Object)>;

template <class Object>
Result<CudnnHolder<Object>> make_cudnn(const Cudnn& cudnn, std::string_view doing, cudnnStatus_t (*create)(Object*),
                                       cudnnStatus_t (*destroy)(Object)) {
  Object object = nullptr;
  if (Status status = cudnn_status(cudnn, doing, create(&object)); !status) return status.error();
  return CudnnHolder<Object>(object, destroy);
}

}  // namespace resnetft::cuda
