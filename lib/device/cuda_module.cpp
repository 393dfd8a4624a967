// SPDX-License-Identifier: MIT
#include "device/cuda_module.h"

#include <string>

#include "device/module_build.h"
#include "device/module_file.h"

namespace resnetft {
namespace {

constexpr ModuleFile kFile = {"libresnetft-cuda.so", "resnetft_cuda_module", "CUDA",
                              "build resnetft with -Dcuda=enabled, where the CUDA Toolkit is"};

Result<const CudaModule*> open_built_module() {
  const std::string missing = RESNETFT_CUDA_MISSING;
  if (!missing.empty())
    return module_unavailable(kFile, "resnetft was built without its CUDA module (" + missing + ")");
  return open_module<CudaModule>(kFile, kCudaModuleVersion);
}

}  // namespace

Result<const CudaModule*> cuda_module() {
  static OpenedModule<CudaModule> module;
  return module.get_or(open_built_module);
}

}  // namespace resnetft
