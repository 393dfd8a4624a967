// SPDX-License-Identifier: MIT
// The GPU's side of value_kernels.h, which has the work.
#include "infer/cuda/value_kernels.h"

#include "device/cuda/block_threads.h"
#include "infer/cuda/kernels.h"

namespace resnetft::cuda {
namespace {

constexpr int kThreads = 256;

constexpr int32_t kMostBlocks = 65535;  // along y

template <class Numbers, class Task>
__global__ void __launch_bounds__(kThreads) value_kernel(const __grid_constant__ Task task, int32_t places) {
  const uint32_t place = blockIdx.x * kThreads + threadIdx.x;
  if (place >= static_cast<uint32_t>(places)) return;
  for (int32_t picture = static_cast<int32_t>(blockIdx.y); picture < task.pictures; picture += kMostBlocks)
    make_value<Numbers>(task, picture, static_cast<int32_t>(place));
}

__global__ void __launch_bounds__(kHeadThreads) head_kernel(const __grid_constant__ LinearTask task) {
  __shared__ HeadSums slices[kHeadThreads];
  BlockThreads threads;
  make_logits(task, static_cast<int>(blockIdx.x), static_cast<int>(blockIdx.y), slices, threads);
}

unsigned blocks_of(int64_t count, int size) { return static_cast<unsigned>((count + size - 1) / size); }

template <class Numbers, class Task>
void start(const Task& task, cudaStream_t stream) {
  const int32_t all = places<Numbers>(task);
  const dim3 blocks(blocks_of(all, kThreads),
                    static_cast<unsigned>(task.pictures < kMostBlocks ? task.pictures : kMostBlocks));
  value_kernel<Numbers><<<blocks, kThreads, 0, stream>>>(task, all);
}

template <class Task>
cudaError_t launch(NumberType number, const Task& task, cudaStream_t stream) {
  if (number == NumberType::Float32)
    start<Float32Numbers>(task, stream);
  else if (number == NumberType::Float16)
    start<Float16Numbers>(task, stream);
  else
    start<BFloat16Numbers>(task, stream);
  return cudaGetLastError();
}

}  // namespace

cudaError_t launch_load(NumberType number, const LoadTask& task, cudaStream_t stream) {
  return launch(number, task, stream);
}
cudaError_t launch_max_pool(NumberType number, const MaxPoolTask& task, cudaStream_t stream) {
  return launch(number, task, stream);
}
cudaError_t launch_shortcut(NumberType number, const ShortcutTask& task, cudaStream_t stream) {
  return launch(number, task, stream);
}
cudaError_t launch_finish(NumberType number, const FinishTask& task, cudaStream_t stream) {
  return launch(number, task, stream);
}
cudaError_t launch_average(NumberType number, const AverageTask& task, cudaStream_t stream) {
  return launch(number, task, stream);
}

cudaError_t launch_linear(const LinearTask& task, cudaStream_t stream) {
  const dim3 blocks(blocks_of(task.classes, kHeadClasses), blocks_of(task.pictures, kHeadPictures));
  head_kernel<<<blocks, kHeadThreads, 0, stream>>>(task);
  return cudaGetLastError();
}

}  // namespace resnetft::cuda
