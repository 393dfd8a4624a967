// SPDX-License-Identifier: MIT
// The folder of shared test data (RESNETFT_DATA, default ../shared/data beside the checkout): CIFAR-10 as JPEG,
// weights, video. It is not part of the project; tests that need it skip loudly.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace resnetft::testing {

// The path of a file in that folder, or "" where it is not there.
inline std::string shared_data(const std::string& name) {
  const char* named = std::getenv("RESNETFT_DATA");
  const std::filesystem::path folder = named ? std::filesystem::path(named) : RESNETFT_SOURCE_ROOT "/../shared/data";
  const std::filesystem::path path = folder / name;
  return std::filesystem::exists(path) ? path.string() : "";
}

}  // namespace resnetft::testing

#define RESNETFT_SHARED_DATA(variable, name)                         \
  const std::string variable = resnetft::testing::shared_data(name); \
  if (variable.empty()) GTEST_SKIP() << "not tested: " << (name) << " is not in RESNETFT_DATA"
