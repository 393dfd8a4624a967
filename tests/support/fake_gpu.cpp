// SPDX-License-Identifier: MIT
#include "tests/support/fake_gpu.h"

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string_view>

#include "device/cuda/kernels.h"
#include "infer/cuda/kernels.h"
#include "infer/cuda/value_kernels.h"
#include "tests/support/host_frame_kernel.h"
#include "tests/support/turn_threads.h"

namespace resnetft::testing {

FakeGpu& fake_gpu() {
  static FakeGpu gpu = [] {
    FakeGpu fresh;
    if (const char* bytes = std::getenv("FAKE_GPU_MEMORY")) fresh.memory_bytes = std::strtoull(bytes, nullptr, 10);
    return fresh;
  }();
  return gpu;
}

namespace {

std::recursive_mutex lock;
std::map<void*, size_t> blocks;
thread_local int recordings = 0;  // of this thread

struct FakeGraph {
  std::vector<FakeWork> work;
};

struct FakeEvent {
  bool times;
  float clock = 0;               // of the stream, when it was recorded
  FakeStream* stream = nullptr;  // where it was recorded, behind so much work
  size_t place = 0;
};

FakeStream& stream_of(cudaStream_t stream) { return *reinterpret_cast<FakeStream*>(stream); }

// Counts a call; what it answers unless all goes well.
cudaError_t called(cudaError_t failure = cudaErrorUnknown) {
  const std::scoped_lock guard(lock);
  FakeGpu& gpu = fake_gpu();
  return ++gpu.calls == gpu.failing_call ? failure : cudaSuccess;
}

template <class Object>
Object* created(Object* object) {
  const std::scoped_lock guard(lock);
  ++fake_gpu().objects;
  return object;
}

void destroyed() {
  const std::scoped_lock guard(lock);
  --fake_gpu().objects;
}

template <class Numbers, class Task>
void make_values(const Task& task) {
  for (int64_t picture = 0; picture < task.pictures; ++picture)
    for (int32_t place = 0; place < cuda::places<Numbers>(task); ++place)
      cuda::make_value<Numbers>(task, picture, place);
}

template <class Task>
cudaError_t launch(NumberType number, const Task& task, cudaStream_t stream) {
  if (const cudaError_t code = called()) return code;
  stream_of(stream).queue({[number, task] {
    if (number == NumberType::Float32) return make_values<Float32Numbers>(task);
    if (number == NumberType::Float16) return make_values<Float16Numbers>(task);
    make_values<BFloat16Numbers>(task);
  }});
  return cudaSuccess;
}

void make_logits(const cuda::LinearTask& task) {
  TurnThreads<cuda::kHeadThreads> threads;
  std::vector<cuda::HeadSums> slices(cuda::kHeadThreads);
  for (int y = 0; y * cuda::kHeadPictures < task.pictures; ++y)
    for (int x = 0; x * cuda::kHeadClasses < task.classes; ++x) cuda::make_logits(task, x, y, slices.data(), threads);
}

// The driver's, as the runtime finds them.
CUresult answer() { return static_cast<CUresult>(called()); }

thread_local std::vector<CUcontext> contexts;  // the topmost is current

CUresult start(unsigned) { return answer(); }
CUresult get_device(CUdevice* device, int ordinal) {
  *device = ordinal;
  return ordinal < kFakeGpus ? answer() : CUDA_ERROR_INVALID_DEVICE;
}
CUresult retain_primary_context(CUcontext* context, CUdevice device) {
  *context = static_cast<CUcontext>(fake_primary_context(device));
  return answer();
}
CUresult get_current_context(CUcontext* context) {
  *context = contexts.empty() ? nullptr : contexts.back();
  return answer();
}
CUresult push_context(CUcontext context) {
  if (const CUresult code = answer()) return code;
  contexts.push_back(context);
  return CUDA_SUCCESS;
}
CUresult pop_context(CUcontext* context) {
  *context = contexts.back();
  contexts.pop_back();
  return CUDA_SUCCESS;
}

CUresult copy_between_contexts(CUdeviceptr dst, CUcontext dst_context, CUdeviceptr src, CUcontext src_context,
                               size_t bytes, CUstream stream) {
  if (const CUresult code = answer()) return code;
  if (dst_context != contexts.back() || !src_context || src_context == dst_context) return CUDA_ERROR_INVALID_CONTEXT;
  ++fake_gpu().copies_between_contexts;
  stream_of(stream).queue(
      {[=] { std::memcpy(reinterpret_cast<void*>(dst), reinterpret_cast<const void*>(src), bytes); }});
  return CUDA_SUCCESS;
}

struct DriverFunction {
  std::string_view name;
  void* address;
};
const std::array kDriverFunctions = {
    DriverFunction{"cuInit", reinterpret_cast<void*>(start)},
    DriverFunction{"cuDeviceGet", reinterpret_cast<void*>(get_device)},
    DriverFunction{"cuDevicePrimaryCtxRetain", reinterpret_cast<void*>(retain_primary_context)},
    DriverFunction{"cuCtxGetCurrent", reinterpret_cast<void*>(get_current_context)},
    DriverFunction{"cuCtxPushCurrent", reinterpret_cast<void*>(push_context)},
    DriverFunction{"cuCtxPopCurrent", reinterpret_cast<void*>(pop_context)},
    DriverFunction{"cuMemcpyPeerAsync", reinterpret_cast<void*>(copy_between_contexts)}};

// Of the runtime's functions that work in the current context. Without one a real runtime would make one on the first
// GPU, and leave it current.
void needs_context() {
  const std::scoped_lock guard(lock);
  if (contexts.empty()) ++fake_gpu().calls_without_context;
}

}  // namespace
}  // namespace resnetft::testing

namespace resnetft {

cudaError_t launch_frame(const FrameTask& task, cudaStream_t stream) {
  testing::needs_context();
  if (const cudaError_t code = testing::called()) return code;
  ++testing::fake_gpu().frames;
  testing::stream_of(stream).queue({[task] { testing::run_tiles(task); }});
  return cudaSuccess;
}
cudaError_t launch_mixup(NumberType, void*, int64_t, int64_t, double, cudaStream_t) { return cudaErrorNotSupported; }
cudaError_t find_kernels() { return cudaSuccess; }

}  // namespace resnetft

namespace resnetft::cuda {

cudaError_t launch_load(NumberType number, const LoadTask& task, cudaStream_t stream) {
  return testing::launch(number, task, stream);
}
cudaError_t launch_max_pool(NumberType number, const MaxPoolTask& task, cudaStream_t stream) {
  return testing::launch(number, task, stream);
}
cudaError_t launch_shortcut(NumberType number, const ShortcutTask& task, cudaStream_t stream) {
  return testing::launch(number, task, stream);
}
cudaError_t launch_finish(NumberType number, const FinishTask& task, cudaStream_t stream) {
  return testing::launch(number, task, stream);
}
cudaError_t launch_average(NumberType number, const AverageTask& task, cudaStream_t stream) {
  return testing::launch(number, task, stream);
}
cudaError_t launch_linear(const LinearTask& task, cudaStream_t stream) {
  if (const cudaError_t code = testing::called()) return code;
  testing::stream_of(stream).queue({[task] { testing::make_logits(task); }});
  return cudaSuccess;
}

}  // namespace resnetft::cuda

extern "C" {

using namespace resnetft::testing;  // NOLINT: the whole of the block is the fake

const char* cudaGetErrorString(cudaError_t code) {
  return code == cudaErrorMemoryAllocation ? "out of memory" : "fake";
}
const char* cudaGetErrorName(cudaError_t) { return "cudaErrorFake"; }
cudaError_t cudaGetLastError() { return cudaSuccess; }

// A thread that records a graph must not allocate.
cudaError_t cudaMalloc(void** memory, size_t bytes) {
  needs_context();
  if (const cudaError_t code = called()) return code;
  if (recordings > 0) return cudaErrorStreamCaptureUnsupported;
  const std::scoped_lock guard(lock);
  FakeGpu& gpu = fake_gpu();
  if (bytes > gpu.memory_bytes - gpu.taken_bytes) return cudaErrorMemoryAllocation;
  *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(*memory, 0xff, bytes);
  blocks[created(*memory)] = bytes;
  gpu.taken_bytes += bytes;
  ++gpu.allocations;
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  needs_context();
  if (!memory) return cudaSuccess;
  const std::scoped_lock guard(lock);
  fake_gpu().taken_bytes -= blocks.at(memory);
  blocks.erase(memory);
  destroyed();
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  needs_context();
  *total = fake_gpu().memory_bytes;
  *free = *total - fake_gpu().taken_bytes;
  return called();
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  needs_context();
  if (const cudaError_t code = called(cudaErrorMemoryAllocation)) return code;
  ++fake_gpu().allocations;
  fake_gpu().pinned_bytes += bytes;
  *memory = created(std::malloc(bytes));
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* memory) {
  needs_context();
  if (memory) destroyed();
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* dst, const void* src, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  needs_context();
  if (const cudaError_t code = called()) return code;
  FakeGpu& gpu = fake_gpu();
  ++(kind == cudaMemcpyHostToDevice ? gpu.copies_to_gpu : gpu.copies_from_gpu);
  stream_of(stream).queue({[=] { std::memcpy(dst, src, bytes); }});
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  needs_context();
  if (const cudaError_t code = called()) return code;
  stream_of(stream).queue({[=] { std::memset(memory, value, bytes); }});
  return cudaSuccess;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* found) {
  const auto known = std::ranges::find(kDriverFunctions, std::string_view(name), &DriverFunction::name);
  *function = known == kDriverFunctions.end() ? nullptr : known->address;
  *found = *function ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = kFakeLeastPriority;
  *greatest = kFakeGreatestPriority;
  return called();
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned, int priority) {
  needs_context();
  if (const cudaError_t code = called()) return code;
  {
    const std::scoped_lock guard(lock);
    fake_gpu().priorities.push_back(priority);
  }
  *stream = reinterpret_cast<cudaStream_t>(created(new FakeStream{.computes = fake_gpu().computes}));
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  needs_context();
  delete &stream_of(stream);
  return destroyed(), cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  needs_context();
  if (stream) stream_of(stream).finish(stream_of(stream).queued());
  return called();
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  needs_context();
  if (const cudaError_t code = called()) return code;
  *event = reinterpret_cast<cudaEvent_t>(created(new FakeEvent{.times = (flags & cudaEventDisableTiming) == 0}));
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  needs_context();
  delete reinterpret_cast<FakeEvent*>(event);
  return destroyed(), cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  needs_context();
  FakeEvent& recorded = *reinterpret_cast<FakeEvent*>(event);
  recorded.stream = &stream_of(stream);
  recorded.place = recorded.stream->queued();
  recorded.clock = recorded.stream->clock;
  if (!recorded.times) return called();
  const void*& timing = stream_of(stream).timing;
  timing = timing && timing != event ? nullptr : event;
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const FakeEvent& recorded = *reinterpret_cast<FakeEvent*>(event);
  if (recorded.stream) recorded.stream->finish(recorded.place);
  return called();
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  ++fake_gpu().timings;
  *milliseconds = reinterpret_cast<FakeEvent*>(end)->clock - reinterpret_cast<FakeEvent*>(start)->clock;
  return called();
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  needs_context();
  if (const cudaError_t code = called()) return code;
  if (mode != cudaStreamCaptureModeThreadLocal) return cudaErrorInvalidValue;
  ++recordings;
  stream_of(stream).recording = &created(new FakeGraph)->work;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  --recordings;
  *graph = reinterpret_cast<cudaGraph_t>(stream_of(stream).recording);  // the graph's only member
  stream_of(stream).recording = nullptr;
  if (fake_gpu().spoilt_recordings > 0) {
    --fake_gpu().spoilt_recordings;
    cudaGraphDestroy(std::exchange(*graph, nullptr));
    return cudaErrorStreamCaptureInvalidated;
  }
  return called();
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  needs_context();
  if (const cudaError_t code = called()) return code;
  *executable = reinterpret_cast<cudaGraphExec_t>(created(new FakeGraph(*reinterpret_cast<FakeGraph*>(graph))));
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete reinterpret_cast<FakeGraph*>(graph);
  return destroyed(), cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  needs_context();
  delete reinterpret_cast<FakeGraph*>(executable);
  return destroyed(), cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return called(); }
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  needs_context();
  if (const cudaError_t code = called()) return code;
  const FakeGraph& graph = *reinterpret_cast<FakeGraph*>(executable);
  for (const FakeWork& work : graph.work) stream_of(stream).queue(work);
  if (stream_of(stream).timing) return cudaSuccess;
  const std::scoped_lock guard(lock);
  fake_gpu().launched.push_back(graph.work.size());
  return cudaSuccess;
}
}
