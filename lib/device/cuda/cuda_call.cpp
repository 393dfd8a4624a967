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

CurrentGpu::CurrentGpu(int ordinal) : status_(Status::success()) {
  status_ = cuda_status("asking for the current GPU", cudaGetDevice(&before_));
  if (status_) status_ = cuda_status("choosing GPU " + std::to_string(ordinal), cudaSetDevice(ordinal));
}

// Since CUDA 12 choosing a GPU makes a context on it: on a machine with several, also on the one that is put back.
CurrentGpu::~CurrentGpu() {
  int now = before_;
  if (cudaGetDevice(&now) == cudaSuccess && now != before_) cudaSetDevice(before_);
}

Status CudaMemory::reserve(size_t bytes) {
  if (bytes <= bytes_) return Status::success();
  cudaFree(std::exchange(data_, nullptr));
  bytes_ = 0;
  Status status =
      cuda_status("taking " + std::to_string(bytes) + " bytes of the GPU's memory", cudaMalloc(&data_, bytes));
  if (status) bytes_ = bytes;
  return status;
}

Status PinnedMemory::reserve(size_t bytes) {
  if (bytes <= bytes_) return Status::success();
  cudaFreeHost(std::exchange(data_, nullptr));
  bytes_ = 0;
  Status status =
      cuda_status("taking " + std::to_string(bytes) + " bytes of pinned memory", cudaMallocHost(&data_, bytes));
  if (status) bytes_ = bytes;
  return status;
}

Status PinnedMemory::allocate(size_t bytes) {
  Status status = reserve(bytes);
  if (status) std::memset(data_, 0, bytes);
  return status;
}

Status CudaEvent::create() {
  return cuda_status("making an event on the GPU", cudaEventCreateWithFlags(&event_, cudaEventDisableTiming));
}
Status CudaEvent::record(cudaStream_t stream) {
  return cuda_status("recording an event on the GPU", cudaEventRecord(event_, stream));
}
Status CudaEvent::wait() const { return cuda_status("waiting for the GPU", cudaEventSynchronize(event_)); }

Status CudaStream::create() {
  if (stream_) return Status::success();
  int least = 0, greatest = 0;
  cudaError_t code = cudaDeviceGetStreamPriorityRange(&least, &greatest);
  if (code == cudaSuccess) code = cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, greatest);
  Status status = cuda_status("making a stream on the GPU", code);
  own_ = status.ok();
  return status;
}

}  // namespace resnetft
