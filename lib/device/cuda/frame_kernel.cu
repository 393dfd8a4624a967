// SPDX-License-Identifier: MIT
// The GPU's side of frame_kernel.h, which has the work.
#include "device/cuda/frame_kernel.h"

#include "device/cuda/block_threads.h"
#include "device/cuda/kernels.h"

namespace resnetft {
namespace {

template <FormatFamily family>
__global__ void __launch_bounds__(kTileThreads) frame_kernel(const __grid_constant__ FrameTask task) {
  __shared__ FramePixel chunk[kChunkPixels];
  BlockThreads threads;
  make_frame_tile<family>(task, static_cast<int>(blockIdx.x), static_cast<int>(blockIdx.y), chunk, threads);
}

using FrameKernel = void (*)(FrameTask);

FrameKernel kernel_of(FormatFamily family) {
  switch (family) {
    case FormatFamily::Packed:
      return frame_kernel<FormatFamily::Packed>;
    case FormatFamily::SemiPlanar420:
      return frame_kernel<FormatFamily::SemiPlanar420>;
    case FormatFamily::Planar420:
      return frame_kernel<FormatFamily::Planar420>;
    default:
      return frame_kernel<FormatFamily::Packed422>;
  }
}

unsigned tiles_of(int size, int tile) { return static_cast<unsigned>((size + tile - 1) / tile); }

}  // namespace

cudaError_t launch_frame(const FrameTask& task, cudaStream_t stream) {
  const dim3 tiles(tiles_of(task.width, kTileColumns), tiles_of(task.height, kTileRows));
  kernel_of(task.source.family)<<<tiles, kTileThreads, 0, stream>>>(task);
  return cudaGetLastError();
}

cudaError_t find_kernels() {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(kernel_of(FormatFamily::Packed)));
}

}  // namespace resnetft
