// SPDX-License-Identifier: MIT
// The one symbol that libresnetft-cuda.so exports.
#include <string>

#include "device/cuda/cuda_call.h"
#include "device/cuda/cuda_context.h"
#include "device/cuda/cuda_preprocessor.h"
#include "device/cuda/kernels.h"
#include "device/cuda_module.h"
#include "infer/cuda/cuda_engine.h"

namespace resnetft {
namespace {

// Whatever stands in the way while nothing runs yet is the device's fault, want of memory included.
Status unavailable(const Status& status) {
  return Error{ErrorCode::DeviceUnavailable, "CUDA cannot be used: " + status.error().message, status.error().hint};
}

Status check_gpu(int ordinal) {
  const CurrentGpu current(ordinal);
  if (!current.status()) return unavailable(current.status());
  const std::string name = std::to_string(ordinal);
  if (Status status = cuda_status("making a context on GPU " + name, cudaFree(nullptr)); !status)
    return unavailable(status);
  if (Status status = cuda_status("finding kernels for GPU " + name, find_kernels()); !status)
    return unavailable(status);
  return Status::success();
}

}  // namespace
}  // namespace resnetft

extern "C" const resnetft::CudaModule* resnetft_cuda_module();

extern "C" const resnetft::CudaModule* resnetft_cuda_module() {
  static constexpr resnetft::CudaModule kModule = {resnetft::kCudaModuleVersion, CUDART_VERSION,
                                                   resnetft::check_gpu,          resnetft::create_cuda_preprocessor,
                                                   resnetft::primary_context,    resnetft::check_cuda_inference,
                                                   resnetft::create_cuda_engine};
  return &kModule;
}
