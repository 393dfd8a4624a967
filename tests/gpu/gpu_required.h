// SPDX-License-Identifier: MIT
// Skips a test loudly, or fails it where RESNETFT_REQUIRE_GPU=1.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "resnetft/error.h"

namespace resnetft::testing {

inline bool gpu_is_required() {
  const char* required = std::getenv("RESNETFT_REQUIRE_GPU");
  return required && std::strcmp(required, "1") == 0;
}

}  // namespace resnetft::testing

// Within SetUp().
#define RESNETFT_NEEDS_GPU(result)                                                               \
  if (const auto& found = (result); !found) {                                                    \
    if (testing::gpu_is_required()) FAIL() << "a GPU is required: " << to_string(found.error()); \
    GTEST_SKIP() << "NOT TESTED on a GPU: " << to_string(found.error());                         \
  }
