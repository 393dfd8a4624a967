// SPDX-License-Identifier: MIT
// One decoder for each kind of picture file; image_file.cpp picks. JPEG and PNG go straight to their libraries: OpenCV
// fills the rest of a JPEG that is cut short without a word, converts CMYK otherwise than Pillow, and lets libpng print
// to the standard error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "data/image_file.h"
#include "data/image_header.h"

namespace resnetft {

// The errors' messages lack the file's name, which decode_image() adds.
Result<DecodedImage> decode_jpeg(std::span<const std::byte> bytes, const ReduceBy& reduce_by);
Result<DecodedImage> decode_png(std::span<const std::byte> bytes);
Result<DecodedImage> decode_with_opencv(std::span<const std::byte> bytes, ImageFormat format);

// CorruptFile where a size is not positive or beyond the limits.
Status check_image_size(int64_t width, int64_t height);

// Takes [height, width, 3] bytes in R, G, B, or [height, width] of Gray8.
DecodedImage own_pixels(std::vector<uint8_t> pixels, PixelFormat format, int width, int height);

}  // namespace resnetft
