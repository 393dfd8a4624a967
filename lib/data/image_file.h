// SPDX-License-Identifier: MIT
// Picture files in and out: JPEG, PNG, BMP, PNM, TIFF, WebP, and GIF where OpenCV reads it. Every input is hostile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "resnetft/error.h"
#include "resnetft/image.h"

namespace resnetft {

// The sides that a Preprocessor takes, and how many pixels a file may claim: 384 MiB decoded.
inline constexpr int64_t kMaxImageSide = 32768;
inline constexpr int64_t kMaxImagePixels = int64_t{1} << 27;

// 8-bit pixels that copies share. `view.orientation` is the file's EXIF orientation, not yet applied.
struct DecodedImage {
  ImageView view;
  std::shared_ptr<const void> pixels;  // what `view` borrows
};

// Asked with a JPEG's size, turned as its EXIF orientation says, before it is decoded; the answer, 1, 2, 4 or 8, is the
// share of each side that is wanted: 2 decodes half of it, rounded up. Other formats are decoded whole.
using ReduceBy = std::function<int(int width, int height)>;

// Decodes the first picture of a file as Pillow's convert("RGB") does: palettes expanded, alpha dropped, CMYK taken
// for Adobe's; 16-bit values keep their high byte. NotFound or Io where the file cannot be read (a folder is Io);
// CorruptFile where it is empty, cut short, damaged, of no known format, or larger than the limits above, which is
// found out before memory is allocated for it; OutOfMemory.
Result<DecodedImage> read_image_file(const std::string& path, const ReduceBy& reduce_by = {});

// The same on bytes that the caller holds; `name` stands in the errors. The fuzz target's entry.
Result<DecodedImage> decode_image(std::span<const std::byte> bytes, const std::string& name,
                                  const ReduceBy& reduce_by = {});

// A JPEG file of R, G, B pixels, [height, width, 3]; quality 1 to 100. InvalidArgument where `rgb` is of another size;
// Internal where the encoder fails.
Result<std::string> encode_jpeg(std::span<const uint8_t> rgb, int width, int height, int quality);
// The same as a PNG file, which keeps every bit.
Result<std::string> encode_png(std::span<const uint8_t> rgb, int width, int height);

}  // namespace resnetft
