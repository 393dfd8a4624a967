// SPDX-License-Identifier: MIT
// A picture in somebody's memory: packed 8-bit pixels with a stride.
#pragma once

#include <cstddef>
#include <cstdint>

namespace resnetft {

// Named by the order of the bytes in memory; the byte called x or a is ignored.
enum class PixelFormat { Rgb, Bgr, Rgba, Bgra, Argb, Abgr, Rgbx, Bgrx, Xrgb, Xbgr, Gray8 };

// Borrows the pixels: `data` points at the first byte of the first row, `stride` is the distance between the first
// bytes of two rows (negative where rows are stored bottom up).
struct ImageView {
  PixelFormat format = PixelFormat::Rgb;
  int width = 0;
  int height = 0;
  const uint8_t* data = nullptr;
  ptrdiff_t stride = 0;
};

}  // namespace resnetft
