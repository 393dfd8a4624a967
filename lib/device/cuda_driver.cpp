// SPDX-License-Identifier: MIT
// The few functions of the driver's interface that are asked here are declared here, so that libresnetft is built
// without the toolkit's headers: they have not changed since CUDA 3.2.
#include "device/cuda_driver.h"

#include <dlfcn.h>

#include <array>
#include <mutex>
#include <string_view>

namespace resnetft {
namespace {

constexpr const char* kLibrary = "libcuda.so.1";
constexpr int kCapabilityMajor = 75, kCapabilityMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*

struct DriverFunctions {
  int (*init)(unsigned flags);
  int (*driver_version)(int* version);
  int (*device_count)(int* count);
  int (*device)(int* device, int ordinal);
  int (*device_name)(char* name, int length, int device);
  int (*device_attribute)(int* value, int attribute, int device);
  int (*device_memory)(size_t* bytes, int device);
};

Error unavailable(const std::string& reason, const std::string& hint) {
  return {ErrorCode::DeviceUnavailable, "CUDA cannot be used: " + reason, hint};
}

struct KnownFailure {
  int code;
  std::string_view reason, hint;
};
// CUresult values that cuInit gives on machines that are not ready.
constexpr std::array kKnownFailures = {
    KnownFailure{2, "the NVIDIA driver ran out of memory", "end programs that use the GPU"},
    KnownFailure{3, "the NVIDIA driver does not start again in a process that was forked after it had started",
                 "use CUDA after fork() only"},
    KnownFailure{34, "libcuda.so.1 is the CUDA Toolkit's stub, not a driver", "take the stubs folder out of the path"},
    KnownFailure{100, "the NVIDIA driver finds no GPU", "see nvidia-smi, and CUDA_VISIBLE_DEVICES"},
    KnownFailure{802, "the machine's GPUs are not ready", "start nvidia-fabricmanager where NVSwitch links them"},
    KnownFailure{803, "the NVIDIA driver's library and kernel module are of different versions", "restart the machine"},
    KnownFailure{804, "the GPU does not take the forward-compatible driver library that is installed",
                 "use the library of the machine's own driver"},
};

Error failure(std::string_view call, int code) {
  for (const KnownFailure& known : kKnownFailures)
    if (known.code == code) return unavailable(std::string(known.reason), std::string(known.hint));
  return unavailable(std::string(call) + " of the NVIDIA driver failed with error " + std::to_string(code),
                     "see nvidia-smi");
}

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

bool find_all(void* library, DriverFunctions& driver) {
  return find(library, "cuInit", driver.init) && find(library, "cuDriverGetVersion", driver.driver_version) &&
         find(library, "cuDeviceGetCount", driver.device_count) && find(library, "cuDeviceGet", driver.device) &&
         find(library, "cuDeviceGetName", driver.device_name) &&
         find(library, "cuDeviceGetAttribute", driver.device_attribute) &&
         find(library, "cuDeviceTotalMem_v2", driver.device_memory);
}

Result<CudaGpu> describe(const DriverFunctions& driver, int ordinal) {
  CudaGpu gpu{.ordinal = ordinal, .name = {}};
  int device = 0;
  char name[256] = {};
  size_t memory = 0;
  if (const int code = driver.device(&device, ordinal)) return failure("cuDeviceGet", code);
  if (const int code = driver.device_name(name, sizeof name - 1, device)) return failure("cuDeviceGetName", code);
  for (const auto& [attribute, value] :
       {std::pair{kCapabilityMajor, &gpu.major}, std::pair{kCapabilityMinor, &gpu.minor}})
    if (const int code = driver.device_attribute(value, attribute, device))
      return failure("cuDeviceGetAttribute", code);
  if (const int code = driver.device_memory(&memory, device)) return failure("cuDeviceTotalMem", code);
  gpu.name = name;
  gpu.memory_bytes = memory;
  return gpu;
}

// One that has started.
Result<CudaDriver> ask(const DriverFunctions& functions) {
  CudaDriver driver;
  int count = 0;
  if (const int code = functions.driver_version(&driver.version)) return failure("cuDriverGetVersion", code);
  if (const int code = functions.device_count(&count)) return failure("cuDeviceGetCount", code);
  if (count == 0) return failure("cuDeviceGetCount", 100);
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    const Result<CudaGpu> gpu = describe(functions, ordinal);
    if (!gpu) return gpu.error();
    driver.gpus.push_back(*gpu);
  }
  return driver;
}

}  // namespace

std::string cuda_version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// The library stays open once it has started: it does not survive being unloaded then.
Result<CudaDriver> query_cuda_driver() {
  static std::mutex one_at_a_time;
  const std::scoped_lock guard(one_at_a_time);
  void* library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* reason = dlerror();
    return unavailable("there is no NVIDIA driver (" + std::string(reason ? reason : kLibrary) + ")",
                       "install NVIDIA's driver where there is a GPU");
  }
  DriverFunctions functions{};
  if (!find_all(library, functions)) {
    dlclose(library);
    return unavailable(std::string(kLibrary) + " lacks functions of a driver", "reinstall it");
  }
  if (const int code = functions.init(0)) {
    dlclose(library);
    return failure("cuInit", code);
  }
  return ask(functions);
}

}  // namespace resnetft
