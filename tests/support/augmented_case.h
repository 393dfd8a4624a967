// SPDX-License-Identifier: MIT
// Random augmentations that a device can do, with what the CPU makes of them.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "data/augmentation.h"
#include "tests/support/preprocess_case.h"

namespace resnetft::testing {

struct AugmentedCase {
  PreprocessCase base;
  AugmentDraw drawn;
  std::vector<float> expected;  // NHWC

  ImageView part() const {
    ImageView view = base.picture.view;
    view.region = drawn.region;
    return view;
  }
};

inline AugmentedCase random_augmented_case(Random& random, uint32_t index) {
  AugmentedCase result{random_case(random), {}, {}};
  const AugmentSpec spec = {.crop = static_cast<CropKind>(draw(random, 0, 2)), .flip = 0.5, .random_erase = 0.5};
  const PreprocessSpec& output = result.base.spec;
  Result<Augmenter> augmenter = Augmenter::create(spec, output, 11);
  EXPECT_TRUE(augmenter.ok()) << to_string(augmenter.error());
  result.expected.resize(static_cast<size_t>(output.crop_width * output.crop_height * 3));
  const Status done = augmenter->to_tensor(result.base.picture.view, 2, index, result.expected);
  EXPECT_TRUE(done.ok()) << to_string(done.error());
  const Result<AugmentDraw> drawn = augmenter->draw(result.base.picture.view, 2, index);
  EXPECT_TRUE(drawn.ok()) << to_string(drawn.error());
  result.drawn = *drawn;
  return result;
}

}  // namespace resnetft::testing
