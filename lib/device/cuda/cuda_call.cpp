// SPDX-License-Identifier: MIT
#include "device/cuda/cuda_call.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace resnetft {
namespace {

constexpr std::array kUnavailable = {
    cudaErrorInitializationError, cudaErrorInsufficientDriver,        cudaErrorNoDevice,
    cudaErrorInvalidDevice,       cudaErrorDevicesUnavailable,        cudaErrorSystemDriverMismatch,
    cudaErrorSystemNotReady,      cudaErrorNoKernelImageForDevice,    cudaErrorInvalidKernelImage,
    cudaErrorStubLibrary,         cudaErrorCompatNotSupportedOnDevice};

struct Kind {
  ErrorCode code;
  const char* hint;
};

Kind kind_of(cudaError_t code) {
  if (code == cudaErrorMemoryAllocation)
    return {ErrorCode::OutOfMemory, "end other programs on the GPU, or use smaller pictures"};
  if (std::ranges::find(kUnavailable, code) != kUnavailable.end())
    return {ErrorCode::DeviceUnavailable, "see ft-tool devices"};
  return {ErrorCode::Internal, ""};
}

}  // namespace

Status cuda_status(std::string_view doing, cudaError_t code) {
  if (code == cudaSuccess) return Status::success();
  cudaGetLastError();  // else the next launch would be told of it
  const Kind kind = kind_of(code);
  std::string message(doing);
  message.append(": ").append(cudaGetErrorString(code)).append(" (").append(cudaGetErrorName(code)).append(")");
  return Error{kind.code, std::move(message), kind.hint};
}

CurrentContext::CurrentContext(const Result<void*>& context)
    : status_(context ? push_context(*context) : Status(context.error())) {}

CurrentContext::~CurrentContext() {
  if (status_) pop_context();
}

CurrentGpu::CurrentGpu(int ordinal) : CurrentContext(primary_context(ordinal)) {}

Status CudaMemory::reserve(size_t bytes) {
  if (bytes <= bytes_) return Status::success();
  bytes_ = 0;
  Status status = memory_.make("taking " + std::to_string(bytes) + " bytes of the GPU's memory",
                               [&](void** memory) { return cudaMalloc(memory, bytes); });
  if (status) bytes_ = bytes;
  return status;
}

Status PinnedMemory::reserve(size_t bytes) {
  if (bytes <= bytes_) return Status::success();
  bytes_ = 0;
  Status status = memory_.make("taking " + std::to_string(bytes) + " bytes of pinned memory",
                               [&](void** memory) { return cudaMallocHost(memory, bytes); });
  if (status) bytes_ = bytes;
  return status;
}

Status PinnedMemory::allocate(size_t bytes) {
  Status status = reserve(bytes);
  if (status) std::memset(data(), 0, bytes);
  return status;
}

Status CudaEvent::create() {
  return event_.make("making an event on the GPU",
                     [](cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDisableTiming); });
}
Status CudaEvent::record(cudaStream_t stream) {
  return cuda_status("recording an event on the GPU", cudaEventRecord(event_.get(), stream));
}
Status CudaEvent::wait() const { return cuda_status("waiting for the GPU", cudaEventSynchronize(event_.get())); }

Status CudaStream::create(bool background) {
  if (borrowed_) return Status::success();
  return own_.make("making a stream on the GPU", [&](cudaStream_t* stream) {
    int least = 0, greatest = 0;
    const cudaError_t code = cudaDeviceGetStreamPriorityRange(&least, &greatest);
    if (code != cudaSuccess) return code;
    return cudaStreamCreateWithPriority(stream, cudaStreamNonBlocking, background ? least : greatest);
  });
}

}  // namespace resnetft
