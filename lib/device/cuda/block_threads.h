// SPDX-License-Identifier: MIT
// A block of threads as kernels' texts see it, on the GPU. tests/support/turn_threads.h is the host's.
#pragma once

namespace resnetft {

// The threads of the block that runs this: each does its own share and keeps its own values.
struct BlockThreads {
  template <class T>
  struct PerThread {
    T value;
    __device__ T& operator[](int) { return value; }
  };

  template <class Work>
  __device__ void run(const Work& work) {
    work(static_cast<int>(threadIdx.x));
    __syncthreads();
  }
};

}  // namespace resnetft
