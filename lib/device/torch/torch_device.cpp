// SPDX-License-Identifier: MIT
// Asks through LibTorch's own tables, which need none of CUDA's headers: the module is built without them.
#include "device/torch/torch_device.h"

#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>
#include <torch/csrc/autograd/engine.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

namespace resnetft {
namespace {

constexpr const char* kCudaHalf = "libtorch_cuda.so";

Error unavailable(const Device& device, const std::string& reason, const std::string& hint) {
  return {ErrorCode::DeviceUnavailable, "device '" + device_name(device) + "': " + reason, hint};
}

// Beside the half that is in the process. Its kernels make themselves known to LibTorch; it is never closed.
Status open_cuda_half(const Device& device) {
  Dl_info libtorch;
  std::string path = kCudaHalf;
  if (dladdr(reinterpret_cast<void*>(&at::globalContext), &libtorch) != 0)
    path = std::filesystem::path(libtorch.dli_fname).replace_filename(kCudaHalf).string();
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL)) return Status::success();
  const char* reason = dlerror();
  return unavailable(device, std::string("LibTorch's CUDA half does not open: ") + (reason ? reason : path),
                     "run tools/setup.sh --cuda, or use device cpu");
}

// The process's streams that were given back. Work that is still queued on one comes before what is queued next. Never
// destroyed: one may be given back while the process ends.
class FreeStreams {
 public:
  static FreeStreams& instance() {
    static auto& streams = *new FreeStreams;
    return streams;
  }

  c10::Stream take(const at::Device& device) {
    const std::scoped_lock guard(lock_);
    const auto found = std::ranges::find(streams_, device, &c10::Stream::device);
    if (found == streams_.end())
      return c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device, /*isHighPriority=*/false);
    const c10::Stream stream = *found;
    streams_.erase(found);
    return stream;
  }

  void give_back(const c10::Stream& stream) {
    const std::scoped_lock guard(lock_);
    streams_.push_back(stream);
  }

 private:
  std::mutex lock_;
  std::vector<c10::Stream> streams_;
};

}  // namespace

Result<at::Device> torch_device(const Device& device) {
  if (!device.cuda) return at::Device(at::kCPU);
  if (const Status opened = open_cuda_half(device); !opened) return opened.error();
  const int count = c10::impl::VirtualGuardImpl(at::kCUDA).deviceCount();
  if (device.ordinal >= count)
    return unavailable(device, "LibTorch finds " + std::to_string(count) + (count == 1 ? " GPU" : " GPUs"),
                       "see ft-tool devices, or use device cpu");
  // LibTorch asks once whether there is CUDA, at the latest in its first convolution, and stays with the answer.
  if (!at::hasCUDA())
    return unavailable(device, "LibTorch has worked in this process before its CUDA half was opened",
                       "start the process anew, and let what uses the GPU begin first");
  // The process's threads for backward passes on GPUs, which else the first such pass starts, with the scheduling of
  // who calls it: a learner's SCHED_IDLE would be theirs for good, whoever trains, and where a learner must end in
  // time.
  torch::autograd::Engine::get_default_engine().initialize_device_threads_pool();
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device.ordinal));
}

// By the C function that LibTorch has for code without its C++ headers.
Result<void*> cuda_stream_of(const c10::Stream& stream) {
  if (!stream.device().is_cuda()) return nullptr;
  constexpr const char* kName = "aoti_torch_get_current_cuda_stream";
  using CurrentStream = int32_t (*)(int32_t ordinal, void** stream);
  const auto current_stream = reinterpret_cast<CurrentStream>(dlsym(RTLD_DEFAULT, kName));
  const c10::StreamGuard guard(stream);
  void* found = nullptr;
  if (current_stream && current_stream(stream.device_index(), &found) == 0) return found;
  return Error{ErrorCode::DeviceUnavailable, std::string("LibTorch's CUDA half has no ") + kName, ""};
}

int ordinal_of(const at::Device& device) { return std::max(0, int{device.index()}); }

LentStream::LentStream(const at::Device& device) : stream_(FreeStreams::instance().take(device)) {}

LentStream::~LentStream() { FreeStreams::instance().give_back(stream_); }

BackgroundStream::BackgroundStream(const at::Device& device) {
  if (device.is_cpu()) return;
  guard_.emplace(stream_.emplace(device).get());
}

}  // namespace resnetft
