// SPDX-License-Identifier: MIT
// What a picture file says of itself before anybody decodes it: format, size, EXIF orientation. Plain byte reading,
// every offset checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "resnetft/image.h"

namespace resnetft {

enum class ImageFormat { Jpeg, Png, Bmp, Pnm, Tiff, WebP, Gif };

std::string_view image_format_name(ImageFormat format);

// By the first bytes, never by the file's name.
std::optional<ImageFormat> detect_image_format(std::span<const std::byte> bytes);

struct ImageSize {
  int64_t width;
  int64_t height;
};

// For Bmp, Pnm, Tiff, WebP and Gif; none where the header is cut short or malformed, or for the other formats, whose
// decoders say it themselves.
std::optional<ImageSize> read_image_size(std::span<const std::byte> bytes, ImageFormat format);

// Whether a Bmp without compression or a binary Pnm has fewer bytes than its size needs; false where nobody can tell
// without decoding. OpenCV prints to the standard error when it finds out by itself.
bool lacks_pixels(std::span<const std::byte> bytes, ImageFormat format);

// Of a TIFF structure, which is also what EXIF blocks hold (EXIF 2.3, tag 0x0112); Normal where there is none.
Orientation read_tiff_orientation(std::span<const std::byte> tiff);

// Of a JPEG's APP1 segment ("Exif", two zero bytes, TIFF), or of a TIFF structure without that prefix.
Orientation read_exif_orientation(std::span<const std::byte> exif);

// Of the EXIF chunk of a WebP file.
Orientation read_webp_orientation(std::span<const std::byte> webp);

}  // namespace resnetft
