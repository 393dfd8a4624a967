// SPDX-License-Identifier: MIT
// What nvcc's objects offer the module: launches, which return when the work is queued.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "device/cuda/frame_task.h"
#include "device/frame_change.h"

namespace resnetft {

// Pointers in `task` are the GPU's.
cudaError_t launch_frame(const FrameTask& task, cudaStream_t stream);

cudaError_t launch_mixup(NumberType number, void* pictures, int64_t count, int64_t values, double keep,
                         cudaStream_t stream);

// cudaSuccess where the current GPU runs these kernels.
cudaError_t find_kernels();

}  // namespace resnetft
