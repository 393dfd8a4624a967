// SPDX-License-Identifier: MIT
#include "data/opencv_module.h"

#include "data/image_decoders.h"
#include "device/module_file.h"

namespace resnetft {
namespace {

constexpr ModuleFile kFile = {"libresnetft-opencv.so", "resnetft_opencv_module", "OpenCV",
                              "install it beside libresnetft.so, and OpenCV's imgcodecs"};

Result<const OpencvModule*> opencv_module() {
  static OpenedModule<OpencvModule> module;
  return module.get_or([] { return open_module<OpencvModule>(kFile, kOpencvModuleVersion); });
}

}  // namespace

Result<DecodedImage> decode_with_opencv(std::span<const std::byte> bytes, ImageFormat format) {
  const Result<const OpencvModule*> module = opencv_module();
  if (!module) return module.error();
  return (*module)->decode(bytes, format);
}

Result<std::string> encode_jpeg(std::span<const uint8_t> rgb, int width, int height, int quality) {
  const Result<const OpencvModule*> module = opencv_module();
  if (!module) return module.error();
  return (*module)->encode_jpeg(rgb, width, height, quality);
}

Result<std::string> encode_png(std::span<const uint8_t> rgb, int width, int height) {
  const Result<const OpencvModule*> module = opencv_module();
  if (!module) return module.error();
  return (*module)->encode_png(rgb, width, height);
}

}  // namespace resnetft
