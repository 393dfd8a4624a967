// SPDX-License-Identifier: MIT
#include "data/image_file.h"

#include <new>
#include <optional>

#include "base/mapped_file.h"
#include "data/image_decoders.h"

namespace resnetft {
namespace {

Result<DecodedImage> decode_any(std::span<const std::byte> bytes, const ReduceBy& reduce_by) {
  if (bytes.empty()) return Error{ErrorCode::CorruptFile, "the file is empty", ""};
  const std::optional<ImageFormat> format = detect_image_format(bytes);
  if (!format)
    return Error{ErrorCode::CorruptFile, "not a picture of a known format",
                 "JPEG, PNG, BMP, PNM, TIFF and WebP are read"};
  if (*format == ImageFormat::Jpeg) return decode_jpeg(bytes, reduce_by);
  if (*format == ImageFormat::Png) return decode_png(bytes);
  return decode_with_opencv(bytes, *format);
}

}  // namespace

Status check_image_size(int64_t width, int64_t height) {
  const std::string size = std::to_string(width) + "x" + std::to_string(height);
  if (width < 1 || height < 1) return Error{ErrorCode::CorruptFile, "it says that it is " + size, ""};
  if (width > kMaxImageSide || height > kMaxImageSide || width * height > kMaxImagePixels)
    return Error{ErrorCode::CorruptFile, "it says that it is " + size + ", which is too large",
                 "at most " + std::to_string(kMaxImageSide) + " pixels a side and " + std::to_string(kMaxImagePixels) +
                     " in all are read"};
  return Status::success();
}

DecodedImage own_pixels(std::vector<uint8_t> pixels, PixelFormat format, int width, int height) {
  const auto owner = std::make_shared<const std::vector<uint8_t>>(std::move(pixels));
  const ptrdiff_t stride = format == PixelFormat::Gray8 ? width : ptrdiff_t{3} * width;
  const ImageView view{
      .format = format, .width = width, .height = height, .planes = {owner->data()}, .strides = {stride}};
  return {view, owner};
}

Result<DecodedImage> decode_image(std::span<const std::byte> bytes, const std::string& name,
                                  const ReduceBy& reduce_by) try {
  Result<DecodedImage> image = decode_any(bytes, reduce_by);
  if (image) return image;
  Error error = image.error();
  error.message = "picture '" + name + "': " + error.message;
  if (error.hint.empty()) error.hint = "replace the file";
  return error;
} catch (const std::bad_alloc&) {
  return Error{ErrorCode::OutOfMemory, "picture '" + name + "': memory ran out", "use fewer workers"};
}

Result<DecodedImage> read_image_file(const std::string& path, const ReduceBy& reduce_by) {
  const Result<std::shared_ptr<const MappedFile>> file = MappedFile::open(path);
  if (!file) return file.error();
  return decode_image((*file)->bytes(), path, reduce_by);
}

}  // namespace resnetft
