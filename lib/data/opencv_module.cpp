// SPDX-License-Identifier: MIT
#include "data/opencv_module.h"

#include <mutex>

#include "data/image_decoders.h"
#include "device/module_file.h"

namespace resnetft {
namespace {

constexpr ModuleFile kFile = {"libresnetft-opencv.so", "resnetft_opencv_module", "OpenCV",
                              "install it beside libresnetft.so, and OpenCV's imgcodecs"};

Result<const OpencvModule*> open_module() {
  const Result<void*> entry = open_module_file(kFile);
  if (!entry) return entry.error();
  using Entry = const OpencvModule* (*)();
  const OpencvModule* module = reinterpret_cast<Entry>(*entry)();
  if (Status status = check_module_version(kFile, module->version, kOpencvModuleVersion); !status)
    return status.error();
  return module;
}

Result<const OpencvModule*> opencv_module() {
  static std::mutex opening;
  static const OpencvModule* opened = nullptr;
  const std::scoped_lock guard(opening);
  if (opened) return opened;
  const Result<const OpencvModule*> module = open_module();
  if (module) opened = *module;
  return module;
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
