// SPDX-License-Identifier: MIT
// How the pixels of each format lie in memory, and whether a view makes sense.
#pragma once

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

// InvalidArgument: no pixels, sides outside 1 to 32768, strides shorter than a row, a region outside the picture, an
// enumerator that does not exist.
Status check_view(const ImageView& image);

}  // namespace resnetft
