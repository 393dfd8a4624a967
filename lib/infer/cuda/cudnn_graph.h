// SPDX-License-Identifier: MIT
// Descriptors of cuDNN's graph API: opaque objects that are made, given their attributes, and finalized.
#pragma once

#include <span>
#include <vector>

#include "infer/cuda/cudnn_library.h"

namespace resnetft::cuda {

using Descriptor = cudnnBackendDescriptor_t;

// Of the value pointed at.
constexpr cudnnBackendAttributeType_t type_of(const int64_t*) { return CUDNN_TYPE_INT64; }
constexpr cudnnBackendAttributeType_t type_of(const float*) { return CUDNN_TYPE_FLOAT; }
constexpr cudnnBackendAttributeType_t type_of(const bool*) { return CUDNN_TYPE_BOOLEAN; }
constexpr cudnnBackendAttributeType_t type_of(const char*) { return CUDNN_TYPE_CHAR; }
constexpr cudnnBackendAttributeType_t type_of(const cudnnHandle_t*) { return CUDNN_TYPE_HANDLE; }
constexpr cudnnBackendAttributeType_t type_of(const Descriptor*) { return CUDNN_TYPE_BACKEND_DESCRIPTOR; }
constexpr cudnnBackendAttributeType_t type_of(const cudnnDataType_t*) { return CUDNN_TYPE_DATA_TYPE; }
constexpr cudnnBackendAttributeType_t type_of(const cudnnConvolutionMode_t*) { return CUDNN_TYPE_CONVOLUTION_MODE; }
constexpr cudnnBackendAttributeType_t type_of(const cudnnPointwiseMode_t*) { return CUDNN_TYPE_POINTWISE_MODE; }
constexpr cudnnBackendAttributeType_t type_of(const cudnnBackendHeurMode_t*) { return CUDNN_TYPE_HEUR_MODE; }
constexpr cudnnBackendAttributeType_t type_of(const cudnnBackendNumericalNote_t*) { return CUDNN_TYPE_NUMERICAL_NOTE; }

// Keeps the descriptors that it makes, for those that refer to them. After a failure its functions do nothing.
class Descriptors {
 public:
  explicit Descriptors(const Cudnn& cudnn) : cudnn_(&cudnn) {}
  ~Descriptors() {
    for (const Descriptor descriptor : made_) cudnn_->BackendDestroyDescriptor(descriptor);
  }
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;

  cudnnStatus_t status() const { return status_; }

  Descriptor make(cudnnBackendDescriptorType_t type) {
    Descriptor descriptor = nullptr;
    note([&] { return cudnn_->BackendCreateDescriptor(type, &descriptor); });
    if (descriptor) made_.push_back(descriptor);
    return descriptor;
  }

  template <class Value>
  void set(Descriptor descriptor, cudnnBackendAttributeName_t name, const Value& value) {
    set_all(descriptor, name, std::span<const Value>(&value, 1));
  }
  template <class Value>
  void set_all(Descriptor descriptor, cudnnBackendAttributeName_t name, std::span<const Value> values) {
    set_all(descriptor, name, values, type_of(values.data()));
  }
  template <class Value>
  void set_all(Descriptor descriptor, cudnnBackendAttributeName_t name, std::span<const Value> values,
               cudnnBackendAttributeType_t type) {
    note([&] {
      return cudnn_->BackendSetAttribute(descriptor, name, type, static_cast<int64_t>(values.size()), values.data());
    });
  }

  void finalize(Descriptor descriptor) {
    note([&] { return cudnn_->BackendFinalize(descriptor); });
  }

  // How many values there are; the first of them go to `values`, where descriptors must stand that cuDNN fills.
  template <class Value>
  size_t get(Descriptor descriptor, cudnnBackendAttributeName_t name, std::span<Value> values) {
    int64_t count = 0;
    note([&] {
      return cudnn_->BackendGetAttribute(descriptor, name, type_of(values.data()), static_cast<int64_t>(values.size()),
                                         &count, values.data());
    });
    return static_cast<size_t>(count);
  }

 private:
  template <class Call>
  void note(const Call& call) {
    if (status_ == CUDNN_STATUS_SUCCESS) status_ = call();
  }

  const Cudnn* cudnn_;
  std::vector<Descriptor> made_;
  cudnnStatus_t status_ = CUDNN_STATUS_SUCCESS;
};

}  // namespace resnetft::cuda
