// SPDX-License-Identifier: MIT
#include "device/cuda_module.h"

#include <mutex>
#include <string>

#include "device/module_build.h"
#include "device/module_file.h"

namespace resnetft {
namespace {

constexpr ModuleFile kFile = {"libresnetft-cuda.so", "resnetft_cuda_module", "CUDA",
                              "build resnetft with -Dcuda=enabled, where the CUDA Toolkit is"};

Result<const CudaModule*> open_module() {
  const std::string missing = RESNETFT_CUDA_MISSING;
  if (!missing.empty())
    return module_unavailable(kFile, "resnetft was built without its CUDA module (" + missing + ")");
  const Result<void*> entry = open_module_file(kFile);
  if (!entry) return entry.error();
  using Entry = const CudaModule* (*)();
  const CudaModule* module = reinterpret_cast<Entry>(*entry)();
  if (Status status = check_module_version(kFile, module->version, kCudaModuleVersion); !status) return status.error();
  return module;
}

}  // namespace

Result<const CudaModule*> cuda_module() {
  static std::mutex opening;
  static const CudaModule* opened = nullptr;
  const std::scoped_lock guard(opening);
  if (opened) return opened;
  const Result<const CudaModule*> module = open_module();
  if (module) opened = *module;
  return module;
}

}  // namespace resnetft
