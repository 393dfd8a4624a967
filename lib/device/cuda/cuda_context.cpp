// SPDX-License-Identifier: MIT
// The driver's functions are asked of the runtime, which has opened the driver: the module is not linked with it.
#include "device/cuda/cuda_context.h"

#include <cuda.h>

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "device/cuda/cuda_call.h"

namespace resnetft {
namespace {

constexpr unsigned kDriverVersion = 12000;  // whose functions these are

struct Driver {
  decltype(cuInit)* start;
  decltype(cuDeviceGet)* device;
  decltype(cuDevicePrimaryCtxRetain)* retain_primary_context;
  decltype(cuCtxGetCurrent)* current_context;
  decltype(cuCtxPushCurrent)* push_context;
  decltype(cuCtxPopCurrent)* pop_context;
  decltype(cuMemcpyPeerAsync)* copy_between_contexts;
};

template <class Function>
Status find(const char* name, Function*& function) {
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  void* address = nullptr;
  const cudaError_t code = cudaGetDriverEntryPointByVersion(name, &address, kDriverVersion, cudaEnableDefault, &found);
  Status status = cuda_status("looking for " + std::string(name) + " in the driver", code);
  if (!status) return status;
  function = reinterpret_cast<Function*>(address);
  if (found == cudaDriverEntryPointSuccess && function) return status;
  return Error{ErrorCode::DeviceUnavailable, "the NVIDIA driver has no " + std::string(name), "install a newer driver"};
}

Status find_all(Driver& driver) {
  Status status = find("cuInit", driver.start);
  if (status) status = find("cuDeviceGet", driver.device);
  if (status) status = find("cuDevicePrimaryCtxRetain", driver.retain_primary_context);
  if (status) status = find("cuCtxGetCurrent", driver.current_context);
  if (status) status = find("cuCtxPushCurrent", driver.push_context);
  if (status) status = find("cuCtxPopCurrent", driver.pop_context);
  if (status) status = find("cuMemcpyPeerAsync", driver.copy_between_contexts);
  return status;
}

// Found once. A failure is not remembered.
Result<Driver> find_driver() {
  static std::mutex finding;
  static std::optional<Driver> found;
  const std::scoped_lock guard(finding);
  if (found) return *found;
  Driver driver{};
  if (Status status = find_all(driver); !status) return status.error();
  found = driver;
  return driver;
}

// The driver's errors have the runtime's numbers, and so its names.
static_assert(static_cast<int>(CUDA_ERROR_OUT_OF_MEMORY) == cudaErrorMemoryAllocation);
static_assert(static_cast<int>(CUDA_ERROR_DEVICE_UNAVAILABLE) == cudaErrorDevicesUnavailable);
static_assert(static_cast<int>(CUDA_ERROR_INVALID_DEVICE) == cudaErrorInvalidDevice);
Status driver_status(std::string_view doing, CUresult code) {
  return cuda_status(doing, static_cast<cudaError_t>(code));
}

Result<void*> make_primary_context(const Driver& driver, int ordinal) {
  const std::string doing = "making a context on GPU " + std::to_string(ordinal);
  CUdevice device = 0;
  if (Status status = driver_status(doing, driver.start(0)); !status) return status.error();
  if (Status status = driver_status(doing, driver.device(&device, ordinal)); !status) return status.error();
  CUcontext context = nullptr;
  if (Status status = driver_status(doing, driver.retain_primary_context(&context, device)); !status)
    return status.error();
  return static_cast<void*>(context);
}

}  // namespace

// The list is never destroyed: what lies on a GPU may outlive it.
Result<void*> primary_context(int ordinal) {
  static std::mutex making;
  static auto& made = *new std::map<int, void*>;
  const Result<Driver> driver = find_driver();
  if (!driver) return driver.error();
  const std::scoped_lock guard(making);
  if (const auto known = made.find(ordinal); known != made.end()) return known->second;
  const Result<void*> context = make_primary_context(*driver, ordinal);
  if (context) made.emplace(ordinal, *context);
  return context;
}

Result<void*> current_context() {
  const Result<Driver> driver = find_driver();
  if (!driver) return driver.error();
  CUcontext context = nullptr;
  if (Status status = driver_status("asking for the current context", driver->current_context(&context)); !status)
    return status.error();
  return static_cast<void*>(context);
}

Status push_context(void* context) {
  const Result<Driver> driver = find_driver();
  if (!driver) return driver.error();
  return driver_status("choosing a context", driver->push_context(static_cast<CUcontext>(context)));
}

void pop_context() {
  CUcontext popped = nullptr;
  if (const Result<Driver> driver = find_driver()) driver->pop_context(&popped);
}

Status copy_between_contexts(void* dst, void* dst_context, const void* src, void* src_context, size_t bytes,
                             cudaStream_t stream) {
  const Result<Driver> driver = find_driver();
  if (!driver) return driver.error();
  return driver_status("copying a frame from another CUDA context",
                       driver->copy_between_contexts(
                           reinterpret_cast<CUdeviceptr>(dst), static_cast<CUcontext>(dst_context),
                           reinterpret_cast<CUdeviceptr>(src), static_cast<CUcontext>(src_context), bytes, stream));
}

}  // namespace resnetft
