// SPDX-License-Identifier: MIT
#pragma once

#include "device/cuda_module.h"

namespace resnetft {

// Of the GPU's memory, taken at the start: room for the pictures of a batch. A picture that is larger takes more.
inline constexpr size_t kPreprocessorBytes = size_t{8} << 20;

// The errors of Preprocessor::create, and those of the GPU.
Result<std::unique_ptr<CudaPreprocessor>> create_cuda_preprocessor(const CudaPreprocessorOptions& options);

}  // namespace resnetft
