// SPDX-License-Identifier: MIT
// Every reader of picture files, chosen by content: a picture within the limits whose pixels are all there, or an
// error.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "data/image_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto image = resnetft::decode_image(std::as_bytes(std::span(data, size)), "fuzz");
  if (!image) return 0;
  const resnetft::ImageView& view = image->view;
  if (view.width < 1 || view.height < 1 || int64_t{view.width} * view.height > resnetft::kMaxImagePixels) std::abort();
  const int row_bytes = view.format == resnetft::PixelFormat::Gray8 ? view.width : 3 * view.width;
  unsigned sum = 0;
  for (int y = 0; y < view.height; ++y)
    for (int i = 0; i < row_bytes; ++i) sum += view.planes[0][y * view.strides[0] + i];
  asm volatile("" : : "r"(sum));  // keeps the reads, which a sanitizer looks at
  return 0;
}
