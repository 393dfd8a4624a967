// SPDX-License-Identifier: MIT
// What a device does to a frame beside the preprocessing, and how it stores numbers.
#pragma once

#include "resnetft/image.h"

namespace resnetft {

enum class NumberType { Float32, Float16, BFloat16 };

// Training's changes of the preprocessed picture. First the window of the output's size moves by (shift_x, shift_y)
// over the picture, which is black beyond its borders; then columns are mirrored; then `erased`, in pixels of the
// result, becomes the mean.
struct FrameChange {
  int shift_x = 0;
  int shift_y = 0;
  bool flip = false;
  Region erased = {};
};

}  // namespace resnetft
