// SPDX-License-Identifier: MIT
// What the frame kernel is told: plain values and pointers into the memory in which it runs.
#pragma once

#include <cstdint>

#include "image/pixel_format.h"

namespace resnetft {

// A stored picture and how it is turned: image/geometry.h's Turn, without the mirrored columns, which are the filter
// table's affair.
struct FrameSource {
  const uint8_t* planes[3];
  int64_t strides[3];
  FormatFamily family;
  PackedPixel pixel;
  int32_t luma_byte;
  YuvToRgb matrix;
  int32_t x, y, width, height;  // its region
  bool transposed, mirror_rows;
};

// image/filter_table.h's table of one axis, a row of `taps` weights for each output, and where the outputs stand in
// the preprocessed picture.
struct FrameAxis {
  const int32_t* first;
  const int32_t* last;
  const int32_t* weights;
  int32_t taps;
  int32_t before, count;
};

struct FrameTask {
  FrameSource source;
  FrameAxis columns, rows;
  int32_t width, height;     // of the output
  int32_t shift_x, shift_y;  // FrameChange
  bool flip;
  int32_t erased_x, erased_y, erased_width, erased_height;
  uint8_t padding[3];
  int32_t number_bytes;  // 2 or 4
  const void* numbers;   // [3][256]: what stands for each byte of each channel
  void* output;          // [height][width][3]
};

}  // namespace resnetft
