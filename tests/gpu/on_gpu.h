// SPDX-License-Identifier: MIT
// A picture's planes in the memory of the current GPU and context, with the strides that they have.
#pragma once

#include <cuda_runtime_api.h>

#include <stdexcept>

#include "tests/support/picture.h"

namespace resnetft::testing {

class OnGpu {
 public:
  explicit OnGpu(const Picture& picture) : view_(picture.view) {
    for (size_t i = 0; i < picture.planes.size(); ++i) {
      const std::vector<uint8_t>& plane = picture.planes[i];
      if (plane.empty()) continue;
      check(cudaMalloc(&planes_[i], plane.size()));
      check(cudaMemcpy(planes_[i], plane.data(), plane.size(), cudaMemcpyHostToDevice));
      view_.planes[i] = static_cast<const uint8_t*>(planes_[i]) + (view_.planes[i] - plane.data());
    }
    view_.memory.kind = MemoryKind::Cuda;
    check(cudaDeviceSynchronize());  // cudaMemcpy() may return before the last bytes are there
  }
  ~OnGpu() {
    for (void* plane : planes_) cudaFree(plane);
  }
  OnGpu(const OnGpu&) = delete;
  OnGpu& operator=(const OnGpu&) = delete;

  // As memory of the first GPU's primary context.
  const ImageView& view() const { return view_; }

 private:
  static void check(cudaError_t code) {
    if (code != cudaSuccess) throw std::runtime_error(cudaGetErrorString(code));
  }

  ImageView view_;
  std::array<void*, 3> planes_ = {};
};

}  // namespace resnetft::testing
