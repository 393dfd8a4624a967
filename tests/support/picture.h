// SPDX-License-Identifier: MIT
// Pictures made by tests: random pixels of any format, in planes that end where the allocation ends, with padded or
// negative strides.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <vector>

#include "image/pixel_format.h"

namespace resnetft::testing {

using Random = std::mt19937;

inline int draw(Random& random, int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); }

// Owns what `view` borrows.
struct Picture {
  ImageView view;
  std::array<std::vector<uint8_t>, 3> planes;
};

struct PlaneSize {
  int row_bytes, rows;
};

inline std::array<PlaneSize, 3> plane_sizes(PixelFormat format, int width, int height) {
  const FormatLayout& layout = layout_of(format);
  const int pairs = (width + 1) / 2, half = (height + 1) / 2;
  switch (layout.family) {
    case FormatFamily::SemiPlanar420:
      return {{{width, height}, {2 * pairs, half}, {0, 0}}};
    case FormatFamily::Planar420:
      return {{{width, height}, {pairs, half}, {pairs, half}}};
    case FormatFamily::Packed422:
      return {{{4 * pairs, height}, {0, 0}, {0, 0}}};
    default:
      return {{{width * layout.pixel.bytes, height}, {0, 0}, {0, 0}}};
  }
}

// All zero. `padding`: bytes between rows; `bottom_up`: the first row is the last in memory.
inline Picture make_picture(PixelFormat format, int width, int height, int padding = 0, bool bottom_up = false) {
  Picture picture;
  picture.view = {.format = format, .width = width, .height = height};
  const std::array<PlaneSize, 3> sizes = plane_sizes(format, width, height);
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i].rows == 0) continue;
    const ptrdiff_t stride = sizes[i].row_bytes + padding, last = (sizes[i].rows - 1) * stride;
    picture.planes[i].resize(static_cast<size_t>(last + sizes[i].row_bytes));
    picture.view.planes[i] = picture.planes[i].data() + (bottom_up ? last : 0);
    picture.view.strides[i] = bottom_up ? -stride : stride;
  }
  return picture;
}

inline void fill_random(Picture& picture, Random& random) {
  for (std::vector<uint8_t>& plane : picture.planes)
    for (uint8_t& byte : plane) byte = static_cast<uint8_t>(random());
}

inline Picture random_picture(Random& random, PixelFormat format, int width, int height) {
  Picture picture =
      make_picture(format, width, height, draw(random, 0, 1) * draw(random, 0, 40), draw(random, 0, 3) == 0);
  fill_random(picture, random);
  return picture;
}

inline uint8_t* byte_at(Picture& picture, size_t plane, int row, int byte) {
  return const_cast<uint8_t*>(picture.view.planes[plane]) + row * picture.view.strides[plane] + byte;
}

}  // namespace resnetft::testing
