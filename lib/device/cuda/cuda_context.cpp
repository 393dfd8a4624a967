// SPDX-License-Identifier: MIT
// The driver's functions are asked of the runtime, which has opened the driver: the module is not linked with it.
#include "device/cuda/cuda_context.h"

#include <cuda.h>

#include <string>

#include "device/cuda/cuda_call.h"

namespace resnetft {
namespace {

constexpr unsigned kDriverVersion = 12000;  // whose functions these are

template <class Function>
Status find_driver_function(const char* name, Function*& function) {
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  void* address = nullptr;
  const cudaError_t code = cudaGetDriverEntryPointByVersion(name, &address, kDriverVersion, cudaEnableDefault, &found);
  Status status = cuda_status("looking for " + std::string(name) + " in the driver", code);
  if (!status) return status;
  function = reinterpret_cast<Function*>(address);
  if (found == cudaDriverEntryPointSuccess && function) return status;
  return Error{ErrorCode::DeviceUnavailable, "the NVIDIA driver has no " + std::string(name), "install a newer driver"};
}

Status driver_status(const char* doing, CUresult code) {
  if (code == CUDA_SUCCESS) return Status::success();
  return Error{code == CUDA_ERROR_OUT_OF_MEMORY ? ErrorCode::OutOfMemory : ErrorCode::Internal,
               std::string(doing) + ": the NVIDIA driver failed with error " + std::to_string(static_cast<int>(code)),
               ""};
}

}  // namespace

Result<void*> primary_context(int ordinal) {
  const CurrentGpu current(ordinal);
  if (!current.status()) return current.status().error();
  const std::string doing = "making a context on GPU " + std::to_string(ordinal);
  if (Status status = cuda_status(doing, cudaFree(nullptr)); !status) return status.error();
  decltype(cuCtxGetCurrent)* get_current = nullptr;
  if (Status status = find_driver_function("cuCtxGetCurrent", get_current); !status) return status.error();
  CUcontext context = nullptr;
  if (Status status = driver_status(doing.c_str(), get_current(&context)); !status) return status.error();
  return static_cast<void*>(context);
}

Status copy_between_contexts(void* dst, void* dst_context, const void* src, void* src_context, size_t bytes,
                             cudaStream_t stream) {
  decltype(cuMemcpyPeerAsync)* copy = nullptr;
  if (Status status = find_driver_function("cuMemcpyPeerAsync", copy); !status) return status;
  return driver_status("copying a frame from another CUDA context",
                       copy(reinterpret_cast<CUdeviceptr>(dst), static_cast<CUcontext>(dst_context),
                            reinterpret_cast<CUdeviceptr>(src), static_cast<CUcontext>(src_context), bytes, stream));
}

}  // namespace resnetft
