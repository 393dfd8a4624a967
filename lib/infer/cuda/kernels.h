// SPDX-License-Identifier: MIT
// What nvcc's objects offer the engine: launches, which return when the work is queued. Pointers are the GPU's.
#pragma once

#include <cuda_runtime_api.h>

#include "device/frame_change.h"
#include "infer/cuda/tasks.h"

namespace resnetft::cuda {

cudaError_t launch_load(NumberType number, const LoadTask& task, cudaStream_t stream);
cudaError_t launch_max_pool(NumberType number, const MaxPoolTask& task, cudaStream_t stream);
cudaError_t launch_shortcut(NumberType number, const ShortcutTask& task, cudaStream_t stream);
cudaError_t launch_finish(NumberType number, const FinishTask& task, cudaStream_t stream);
cudaError_t launch_average(NumberType number, const AverageTask& task, cudaStream_t stream);
cudaError_t launch_linear(const LinearTask& task, cudaStream_t stream);

}  // namespace resnetft::cuda
