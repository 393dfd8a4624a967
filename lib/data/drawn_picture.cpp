// SPDX-License-Identifier: MIT
#include "data/drawn_picture.h"

#include <algorithm>

#include "image/geometry.h"
#include "image/pixel_format.h"

namespace resnetft {
namespace {

ptrdiff_t row_bytes_of(const ImageView& view, int width) { return plane_row_bytes(layout_of(view.format), width)[0]; }

// The region as a picture of its own, where it lies.
ImageView part_of(ImageView view) {
  const Region region = region_of(view);
  view.planes[0] += region.y * view.strides[0] + row_bytes_of(view, region.x);
  view.width = region.width;
  view.height = region.height;
  view.region = {};
  return view;
}

}  // namespace

size_t packed_bytes(const ImageView& view) {
  return static_cast<size_t>(row_bytes_of(view, view.width)) * static_cast<size_t>(view.height);
}

void copy_packed(const ImageView& view, uint8_t* target) {
  const ptrdiff_t bytes = row_bytes_of(view, view.width);
  for (int y = 0; y < view.height; ++y, target += bytes)
    std::copy_n(view.planes[0] + y * view.strides[0], bytes, target);
}

bool suits_device(const ImageView& view) {
  return layout_of(view.format).family == FormatFamily::Packed && packed_bytes(part_of(view)) <= kMostDeviceBytes;
}

DecodedImage cut_out(const DecodedImage& image) {
  const ImageView part = part_of(image.view);
  if (part.height == image.view.height && part.strides[0] == row_bytes_of(part, part.width))
    return {part, image.pixels};
  const auto pixels = std::make_shared<std::vector<uint8_t>>(packed_bytes(part));
  copy_packed(part, pixels->data());
  DecodedImage copy{part, pixels};
  copy.view.planes[0] = pixels->data();
  copy.view.strides[0] = row_bytes_of(part, part.width);
  return copy;
}

}  // namespace resnetft
