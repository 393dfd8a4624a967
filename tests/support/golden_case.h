// SPDX-License-Identifier: MIT
// A row of data/preprocess/cases.json (made by data/make_goldens.py): what Pillow and torchvision make of a picture.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

#include "resnetft/preprocess.h"
#include "tests/support/temporary_folder.h"

namespace resnetft::testing {

inline PreprocessSpec spec_of(const nlohmann::json& test_case) {
  PreprocessSpec spec;
  spec.resize = test_case.at("resize");
  spec.crop_width = spec.crop_height = test_case.at("crop");
  if (test_case.at("interpolation") == "bicubic") spec.interpolation = Interpolation::Bicubic;
  return spec;
}

// `pixels` [crop, crop, 3], R, G, B: every grid-th pixel, and the means.
inline void expect_close(const nlohmann::json& test_case, const std::vector<uint8_t>& pixels, int pixel_limit,
                         double mean_limit) {
  const std::string expected = read_text(RESNETFT_TEST_DATA "/preprocess/" + test_case.at("expect").get<std::string>());
  const size_t side = test_case.at("crop"), grid = test_case.at("grid");
  size_t next = 0;
  int worst = 0;
  for (size_t y = 0; y < side; y += grid)
    for (size_t x = 0; x < side; x += grid)
      for (size_t c = 0; c < 3; ++c)
        worst = std::max(worst, std::abs(pixels[(y * side + x) * 3 + c] - static_cast<uint8_t>(expected.at(next++))));
  EXPECT_EQ(next, expected.size());
  EXPECT_LE(worst, pixel_limit) << test_case.at("expect");
  for (size_t c = 0; c < 3; ++c) {
    double sum = 0;
    for (size_t i = c; i < pixels.size(); i += 3) sum += pixels[i];
    EXPECT_NEAR(sum / static_cast<double>(side * side), test_case.at("mean").at(c).get<double>(), mean_limit)
        << test_case.at("expect");
  }
}

}  // namespace resnetft::testing
