// SPDX-License-Identifier: MIT
// What libresnetft-opencv.so holds: decoders of BMP, PNM, TIFF, WebP and, from OpenCV 4.11 on, GIF, and the encoders.
#include <climits>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "data/image_decoders.h"
#include "data/opencv_module.h"

namespace resnetft {
namespace {

// 16 bits are asked for as they are: OpenCV would round some of them.
constexpr int kColorUnturned = cv::IMREAD_COLOR | cv::IMREAD_ANYDEPTH | cv::IMREAD_IGNORE_ORIENTATION;

Error refused(ImageFormat format) {
  if (format == ImageFormat::Gif)
    return {ErrorCode::CorruptFile, std::string("OpenCV ") + CV_VERSION + " does not read this GIF",
            "GIF needs OpenCV 4.11 or later; convert the file to PNG"};
  return {ErrorCode::CorruptFile, "the " + std::string(image_format_name(format)) + " data is damaged or cut short",
          ""};
}

// OpenCV's decoders don't take a const pointer, but only read.
cv::Mat borrow(std::span<const std::byte> bytes) {
  return cv::Mat(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<std::byte*>(bytes.data()));
}

cv::Mat high_bytes(const cv::Mat& wide) {
  cv::Mat mat(wide.rows, wide.cols, CV_8UC3);
  for (int y = 0; y < wide.rows; ++y) {
    const uint16_t* source = wide.ptr<uint16_t>(y);
    uint8_t* target = mat.ptr<uint8_t>(y);
    for (int i = 0; i < 3 * wide.cols; ++i) target[i] = static_cast<uint8_t>(source[i] >> 8);
  }
  return mat;
}

DecodedImage own_mat(cv::Mat mat) {
  const auto owner = std::make_shared<const cv::Mat>(std::move(mat));
  const ImageView view{.format = PixelFormat::Bgr,
                       .width = owner->cols,
                       .height = owner->rows,
                       .planes = {owner->data},
                       .strides = {static_cast<ptrdiff_t>(owner->step[0])}};
  return {view, owner};
}

Result<DecodedImage> decode(std::span<const std::byte> bytes, ImageFormat format) try {
  const std::optional<ImageSize> size = read_image_size(bytes, format);
  if (!size) return refused(format);
  if (Status status = check_image_size(size->width, size->height); !status) return status.error();
  if (lacks_pixels(bytes, format)) return refused(format);
  if (bytes.size() > INT_MAX) return Error{ErrorCode::CorruptFile, "the file is larger than 2 GiB", ""};
  cv::Mat mat = cv::imdecode(borrow(bytes), kColorUnturned);
  if (mat.type() == CV_16UC3) mat = high_bytes(mat);
  if (mat.empty() || mat.type() != CV_8UC3) return refused(format);
  DecodedImage image = own_mat(std::move(mat));
  if (format == ImageFormat::WebP) image.view.orientation = read_webp_orientation(bytes);
  return image;
} catch (const cv::Exception&) {
  return refused(format);
}

Result<std::string> encode(const char* ending, const char* name, std::span<const uint8_t> rgb, int width, int height,
                           const std::vector<int>& parameters) try {
  if (width < 1 || height < 1 || rgb.size() != static_cast<size_t>(width) * static_cast<size_t>(height) * 3)
    return Error{ErrorCode::InvalidArgument,
                 std::string("encoding a ") + name + ": the pixels are not of the size given", ""};
  cv::Mat bgr(height, width, CV_8UC3);
  for (size_t i = 0; i < rgb.size(); i += 3)
    for (size_t c = 0; c < 3; ++c) bgr.data[i + c] = rgb[i + 2 - c];
  std::vector<uchar> file;
  if (!cv::imencode(ending, bgr, file, parameters))
    return Error{ErrorCode::Internal, std::string("encoding a ") + name + " failed", ""};
  return std::string(file.begin(), file.end());
} catch (const cv::Exception& exception) {
  return Error{ErrorCode::Internal, std::string("encoding a ") + name + ": " + exception.what(), ""};
}

Result<std::string> jpeg(std::span<const uint8_t> rgb, int width, int height, int quality) {
  return encode(".jpg", "JPEG", rgb, width, height, {cv::IMWRITE_JPEG_QUALITY, quality});
}

Result<std::string> png(std::span<const uint8_t> rgb, int width, int height) {
  return encode(".png", "PNG", rgb, width, height, {});
}

}  // namespace
}  // namespace resnetft

extern "C" const resnetft::OpencvModule* resnetft_opencv_module();

extern "C" const resnetft::OpencvModule* resnetft_opencv_module() {
  static constexpr resnetft::OpencvModule kModule = {resnetft::kOpencvModuleVersion, resnetft::decode, resnetft::jpeg,
                                                     resnetft::png};
  return &kModule;
}
