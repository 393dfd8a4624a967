// SPDX-License-Identifier: MIT
#include "tests/gpu/jpeg_folder.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>

#include <jpeglib.h>

#include "data/image_decoders.h"

namespace resnetft {

// What read_image_file() would call for other files.
Result<DecodedImage> decode_png(std::span<const std::byte>) { return Error{ErrorCode::Internal, "no JPEG file", ""}; }
Result<DecodedImage> decode_with_opencv(std::span<const std::byte>, ImageFormat) {
  return Error{ErrorCode::Internal, "no JPEG file", ""};
}

namespace testing {
namespace {

constexpr int kQuality = 90;

std::vector<uint8_t> waves(size_t number, size_t class_id, int width, int height) {
  std::mt19937 random(static_cast<unsigned>(number));
  std::vector<uint8_t> rgb;
  const double length = 6.0 * static_cast<double>(class_id + 1);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        rgb.push_back(
            static_cast<uint8_t>(110 + 80 * std::sin((x + y * (c + 1)) / length) + static_cast<double>(random() % 32)));
  return rgb;
}

bool write_jpeg(const std::string& path, std::vector<uint8_t> rgb, int width, int height) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "wb"), std::fclose);
  if (!file) return false;
  jpeg_compress_struct encoder = {};
  jpeg_error_mgr errors = {};
  encoder.err = jpeg_std_error(&errors);
  jpeg_create_compress(&encoder);
  jpeg_stdio_dest(&encoder, file.get());
  encoder.image_width = static_cast<JDIMENSION>(width);
  encoder.image_height = static_cast<JDIMENSION>(height);
  encoder.input_components = 3;
  encoder.in_color_space = JCS_RGB;
  jpeg_set_defaults(&encoder);
  jpeg_set_quality(&encoder, kQuality, TRUE);
  jpeg_start_compress(&encoder, TRUE);
  for (int y = 0; y < height; ++y) {
    JSAMPROW row = rgb.data() + static_cast<size_t>(y) * static_cast<size_t>(width) * 3;
    jpeg_write_scanlines(&encoder, &row, 1);
  }
  jpeg_finish_compress(&encoder);
  jpeg_destroy_compress(&encoder);
  return std::fflush(file.get()) == 0;
}

}  // namespace

JpegFolder::JpegFolder(size_t files, size_t pictures, int width, int height) : files_(files), pictures_(pictures) {
  for (size_t i = 0; i < files; ++i)
    if (!write_jpeg(name(i), waves(i, class_id(i), width, height), width, height)) {
      std::perror(name(i).c_str());
      std::exit(1);
    }
}

Result<DecodedImage> JpegFolder::get(size_t index, const ReduceBy& reduce_by) const {
  return read_image_file(name(index), reduce_by);
}

}  // namespace testing
}  // namespace resnetft
