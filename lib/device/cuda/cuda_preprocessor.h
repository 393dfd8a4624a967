// SPDX-License-Identifier: MIT
#pragma once

#include "device/cuda_module.h"

namespace resnetft {

// The errors of Preprocessor::create, and those of the GPU.
Result<std::unique_ptr<CudaPreprocessor>> create_cuda_preprocessor(const CudaPreprocessorOptions& options);

}  // namespace resnetft
