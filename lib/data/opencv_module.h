// SPDX-License-Identifier: MIT
// OpenCV's codecs lie in libresnetft-opencv.so, which is opened on first need: they bring a hundred other libraries
// along, and among these a BLAS. In a program that links libresnetft it would be found before LibTorch's own, which is
// faster and rounds otherwise.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "data/image_file.h"
#include "data/image_header.h"

namespace resnetft {

inline constexpr unsigned kOpencvModuleVersion = 1;

// The module's one entry point, `resnetft_opencv_module()`, returns this table. The functions are those of
// image_decoders.h and image_file.h.
struct OpencvModule {
  unsigned version;  // kOpencvModuleVersion of the module's build
  Result<DecodedImage> (*decode)(std::span<const std::byte> bytes, ImageFormat format);
  Result<std::string> (*encode_jpeg)(std::span<const uint8_t> rgb, int width, int height, int quality);
  Result<std::string> (*encode_png)(std::span<const uint8_t> rgb, int width, int height);
};

}  // namespace resnetft
