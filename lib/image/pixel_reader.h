// SPDX-License-Identifier: MIT
// Reads pixels of any format as R, G, B bytes: the one place that knows how formats lie in memory.
#pragma once

#include <cstdint>

#include "image/pixel_math.h"
#include "resnetft/image.h"

namespace resnetft {

// Borrows the view. Immutable, so thread-safe.
class PixelReader {
 public:
  explicit PixelReader(const ImageView& view);

  // `count` pixels of row y from column x on, in stored coordinates, to 3 * count bytes.
  void read(int x, int y, int count, uint8_t* rgb) const;

 private:
  ImageView view_;
  ColorCoefficients color_;
};

}  // namespace resnetft
