// SPDX-License-Identifier: MIT
#include "infer/cuda/cudnn_library.h"

#include <dlfcn.h>

#include <array>
#include <utility>

#include "device/cuda/cuda_build.h"

namespace resnetft::cuda {
namespace {

constexpr const char* kLibrary = "libcudnn.so.9";
constexpr const char* kHint =
    "install cuDNN 9 for CUDA 13 (python3 -m pip install nvidia-cudnn-cu13, and its folder in "
    "LD_LIBRARY_PATH), or use device cpu";

Error unavailable(const std::string& reason) {
  return {ErrorCode::DeviceUnavailable, "inference on CUDA needs cuDNN: " + reason, kHint};
}

// The handle, or the loader's words on the first.
Result<void*> open_first(std::span<const std::string> libraries) {
  std::string reason;
  for (const std::string& library : libraries) {
    if (void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL)) return handle;
    const char* words = dlerror();
    if (reason.empty()) reason = words ? words : library + " does not open";
  }
  return unavailable(reason);
}

// The name of the first function that is missing, or empty.
std::string find_functions(void* handle, Cudnn& cudnn) {
#define RESNETFT_CUDNN_FIND(name)                                                      \
  cudnn.name = reinterpret_cast<decltype(&cudnn##name)>(dlsym(handle, "cudnn" #name)); \
  if (!cudnn.name) return "cudnn" #name;
  RESNETFT_CUDNN_FUNCTIONS(RESNETFT_CUDNN_FIND)
#undef RESNETFT_CUDNN_FIND
  return {};
}

std::string version_text(size_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100);
}

Status check_version(size_t version) {
  if (version / 10000 == CUDNN_MAJOR) return Status::success();
  return Error{
      ErrorCode::Incompatible,
      "cuDNN " + version_text(version) + " is loaded, resnetft was built for cuDNN " + std::to_string(CUDNN_MAJOR),
      kHint};
}

struct Kind {
  ErrorCode code;
  const char* hint;
};

Kind kind_of(cudnnStatus_t status) {
  if (status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ||
      status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED)
    return {ErrorCode::OutOfMemory, "end other programs on the GPU, or use a smaller batch"};
  if (CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED)
    return {ErrorCode::Incompatible, "use another precision, or device cpu"};
  if (status < CUDNN_STATUS_BAD_PARAM) return {ErrorCode::DeviceUnavailable, kHint};
  return {ErrorCode::Internal, ""};
}

}  // namespace

Result<Cudnn> load_cudnn(std::span<const std::string> libraries) {
  const Result<void*> handle = open_first(libraries);
  if (!handle) return handle.error();
  Cudnn cudnn;
  if (const std::string missing = find_functions(*handle, cudnn); !missing.empty())
    return unavailable(std::string(kLibrary) + " has no function " + missing);
  if (Status status = check_version(cudnn.GetVersion()); !status) return status.error();
  return cudnn;
}

Result<const Cudnn*> open_cudnn() {
  static std::mutex opening;
  static Cudnn opened;
  const std::scoped_lock guard(opening);
  if (opened.Create) return &opened;
  const std::array<std::string, 2> libraries = {kLibrary, std::string(RESNETFT_CUDNN_FOLDER) + "/" + kLibrary};
  const Result<Cudnn> loaded = load_cudnn(libraries);
  if (!loaded) return loaded.error();
  opened = *loaded;
  return &opened;
}

Status cudnn_status(const Cudnn& cudnn, std::string_view doing, cudnnStatus_t status) {
  if (status == CUDNN_STATUS_SUCCESS) return Status::success();
  const Kind kind = kind_of(status);
  std::string message(doing);
  message.append(": cuDNN: ").append(cudnn.GetErrorString(status));
  return Error{kind.code, std::move(message), kind.hint};
}

std::mutex& cudnn_mutex() {
  static std::mutex mutex;
  return mutex;
}

Status CudnnHandle::create(const Cudnn& cudnn, cudaStream_t stream) {
  const std::scoped_lock guard(cudnn_mutex());
  cudnn_ = &cudnn;
  cudnnStatus_t code = cudnn.Create(&handle_);
  if (code == CUDNN_STATUS_SUCCESS) code = cudnn.SetStream(handle_, stream);
  return cudnn_status(cudnn, "starting cuDNN", code);
}

void CudnnHandle::end() {
  if (!handle_) return;
  const std::scoped_lock guard(cudnn_mutex());
  cudnn_->Destroy(std::exchange(handle_, nullptr));
}

}  // namespace resnetft::cuda
