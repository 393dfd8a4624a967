// SPDX-License-Identifier: MIT
// The GPU's side of mixup_kernel.h.
#include "device/cuda/mixup_kernel.h"

#include "device/cuda/kernels.h"

namespace resnetft {
namespace {

constexpr int kThreads = 256;

template <class Numbers>
__global__ void __launch_bounds__(kThreads)
    mixup_kernel(typename Numbers::Stored* pictures, int64_t count, int64_t values, float keep, float rest) {
  const int64_t place = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (place < values) mix_place<Numbers>(pictures, count, values, place, keep, rest);
}

template <class Numbers>
cudaError_t launch(void* pictures, int64_t count, int64_t values, double keep, cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>((values + kThreads - 1) / kThreads);
  mixup_kernel<Numbers><<<blocks, kThreads, 0, stream>>>(static_cast<typename Numbers::Stored*>(pictures), count,
                                                         values, static_cast<float>(keep),
                                                         static_cast<float>(1 - keep));
  return cudaGetLastError();
}

}  // namespace

cudaError_t launch_mixup(NumberType number, void* pictures, int64_t count, int64_t values, double keep,
                         cudaStream_t stream) {
  switch (number) {
    case NumberType::Float32:
      return launch<Float32Numbers>(pictures, count, values, keep, stream);
    case NumberType::Float16:
      return launch<Float16Numbers>(pictures, count, values, keep, stream);
    default:
      return launch<BFloat16Numbers>(pictures, count, values, keep, stream);
  }
}

}  // namespace resnetft
