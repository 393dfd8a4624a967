// SPDX-License-Identifier: MIT
// How the pixels of each format lie in memory, and whether a view makes sense.
#pragma once

#include <array>

#include "image/row_kernels.h"
#include "resnetft/error.h"
#include "resnetft/image.h"

namespace resnetft {

inline constexpr int kMaxSide = 32768;

enum class FormatFamily { Packed, SemiPlanar420, Planar420, Packed422 };

struct FormatLayout {
  FormatFamily family;
  PackedPixel pixel;     // Packed
  bool v_first = false;  // the YUV ones: the first chroma sample, or plane, is V
  int luma_byte = 0;     // Packed422: which byte of two is luma
};

const FormatLayout& layout_of(PixelFormat format);

// Bytes in a row of each plane; 0 where there is no such plane.
std::array<int, 3> plane_row_bytes(const FormatLayout& layout, int width);

// From the YUV of such a picture to RGB.
YuvToRgb yuv_to_rgb_of(const ImageView& image);

// InvalidArgument: no pixels, sides outside 1 to 32768, strides shorter than a row, a region outside the picture, an
// enumerator that does not exist.
Status check_view(const ImageView& image);

// InvalidArgument: the pixels lie in a GPU's memory.
Status check_is_on_host(const ImageView& image);

}  // namespace resnetft
