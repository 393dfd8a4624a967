// SPDX-License-Identifier: MIT
#include "device/torch/guarded.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace resnetft {
namespace {

Error error_of(const char* text) {
  return guarded("training", [&]() -> Status { TORCH_CHECK(false, text); }).error();
}

TEST(Guarded, TextsOfMemoryThatRanOutAreOutOfMemory) {
  for (const char* text : {"CUDA out of memory. Tried to allocate 2.00 GiB", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED",
                           "cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "DefaultCPUAllocator: can't allocate memory"}) {
    EXPECT_EQ(error_of(text).code, ErrorCode::OutOfMemory) << text;
    EXPECT_EQ(error_of(text).hint, "use a smaller batch, picture or network") << text;
  }
  EXPECT_EQ(error_of("CUDA error: an illegal memory access was encountered").code, ErrorCode::Internal);
}

// LibTorch's convolution keeps its attempts' OutOfMemoryErrors to itself.
TEST(Guarded, AConvolutionWithoutAnyWayMayBeOutOfMemory) {
  for (const char* text : {"GET was unable to find an engine to execute this computation",
                           "FIND was unable to find an engine to execute this computation"}) {
    const Error error = error_of(text);
    EXPECT_EQ(error.code, ErrorCode::OutOfMemory) << text;
    EXPECT_EQ(error.message, std::string("training: ") + text);
    EXPECT_NE(error.hint.find("memory may have run out"), std::string::npos) << error.hint;
  }
}

}  // namespace
}  // namespace resnetft
