// SPDX-License-Identifier: MIT
// What one caller of the CUDA engine needs: staging, activations and outputs, a stream, and a CUDA graph for each batch
// size, all made once.
#pragma once

#include <memory>

#include "infer/cuda/plan.h"

namespace resnetft::cuda {

// `net` belongs to `engine`, which the session keeps alive. `preprocess`: how the session makes its input of pictures;
// null: its caller writes to input(). OutOfMemory names a batch that may fit; where none does, it is DeviceUnavailable.
Result<std::unique_ptr<FrameSession>> create_cuda_session(std::shared_ptr<const Engine> engine, const PreparedNet& net,
                                                          const PreprocessSpec* preprocess);

// An OutOfMemory error with the largest batch below `batch` for which the GPU has room now, beside `more` bytes, or as
// DeviceUnavailable where there is room for none; other errors as they are.
Error with_batch_that_fits(Error error, const Network& network, NumberType number, int batch, size_t more);

}  // namespace resnetft::cuda
