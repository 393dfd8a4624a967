// SPDX-License-Identifier: MIT
// The expected pixels are Pillow's and torchvision's, from data/preprocess (made by data/make_goldens.py).
#include "resnetft/preprocess.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>

#include "tests/support/temporary_folder.h"

namespace resnetft {
namespace {

using Json = nlohmann::json;
const std::string kFolder = RESNETFT_TEST_DATA "/preprocess/";

PreprocessSpec spec_of(const Json& test_case) {
  PreprocessSpec spec;
  spec.resize = test_case.at("resize");
  spec.crop_width = spec.crop_height = test_case.at("crop");
  if (test_case.at("interpolation") == "bicubic") spec.interpolation = Interpolation::Bicubic;
  return spec;
}

ImageView view_of(const cv::Mat& bgr) {
  return {PixelFormat::Bgr, bgr.cols, bgr.rows, bgr.data, static_cast<ptrdiff_t>(bgr.step[0])};
}

void expect_close(const Json& test_case, const std::vector<uint8_t>& pixels, int pixel_limit, double mean_limit) {
  const std::string expected = testing::read_text(kFolder + test_case.at("expect").get<std::string>());
  const size_t side = test_case.at("crop"), grid = test_case.at("grid");
  size_t next = 0;
  int worst = 0;
  for (size_t y = 0; y < side; y += grid)
    for (size_t x = 0; x < side; x += grid)
      for (size_t c = 0; c < 3; ++c)
        worst = std::max(worst, std::abs(pixels[(y * side + x) * 3 + c] - static_cast<uint8_t>(expected.at(next++))));
  EXPECT_EQ(next, expected.size());
  EXPECT_LE(worst, pixel_limit) << test_case.at("expect");
  for (size_t c = 0; c < 3; ++c) {
    double sum = 0;
    for (size_t i = c; i < pixels.size(); i += 3) sum += pixels[i];
    EXPECT_NEAR(sum / static_cast<double>(side * side), test_case.at("mean").at(c).get<double>(), mean_limit)
        << test_case.at("expect");
  }
}

// PNG pictures give Pillow's own bits; JPEG decoders differ, so their cases have a limit. The CMYK picture is left out:
// OpenCV's conversion to RGB is one step brighter than Pillow's, which says nothing about the resize.
TEST(Preprocess, AgreesWithPillowOnTheGoldenPictures) {
  const Json golden = Json::parse(std::ifstream(kFolder + "cases.json"));
  int checked = 0;
  for (const Json& test_case : golden.at("cases")) {
    const std::string file = test_case.at("file");
    if (file == "cmyk.jpg") continue;
    const cv::Mat bgr = cv::imread(kFolder + file, cv::IMREAD_COLOR);
    ASSERT_FALSE(bgr.empty()) << file;
    const PreprocessSpec spec = spec_of(test_case);
    std::vector<uint8_t> pixels(static_cast<size_t>(spec.crop_width * spec.crop_height * 3));
    const Status status = preprocess_to_pixels(spec, view_of(bgr), pixels);
    ASSERT_TRUE(status.ok()) << file << ": " << to_string(status.error());
    const bool jpeg = file.ends_with(".jpg");
    expect_close(test_case, pixels, jpeg ? 3 : 0, jpeg ? 0.5 : 1e-9);
    ++checked;
  }
  EXPECT_EQ(checked, 75);
}

TEST(Preprocess, EveryOrderOfBytesGivesTheSamePixels) {
  struct Order {
    PixelFormat format;
    std::string_view bytes;
  };
  const PreprocessSpec spec{.mode = ResizeMode::Stretch, .crop_width = 2, .crop_height = 1};
  for (const Order& order :
       {Order{PixelFormat::Rgb, "rgb"}, Order{PixelFormat::Bgr, "bgr"}, Order{PixelFormat::Rgba, "rgba"},
        Order{PixelFormat::Bgra, "bgra"}, Order{PixelFormat::Argb, "argb"}, Order{PixelFormat::Abgr, "abgr"},
        Order{PixelFormat::Rgbx, "rgbx"}, Order{PixelFormat::Bgrx, "bgrx"}, Order{PixelFormat::Xrgb, "xrgb"},
        Order{PixelFormat::Xbgr, "xbgr"}}) {
    std::vector<uint8_t> source, pixels(6);
    for (int x = 0; x < 2; ++x)
      for (const char byte : order.bytes)
        source.push_back(static_cast<uint8_t>((byte == 'r' ? 10 : byte == 'g' ? 20 : byte == 'b' ? 30 : 99) + x));
    ASSERT_TRUE(preprocess_to_pixels(spec, {order.format, 2, 1, source.data(), 8}, pixels).ok());
    EXPECT_EQ(pixels, (std::vector<uint8_t>{10, 20, 30, 11, 21, 31})) << order.bytes;
  }
}

TEST(Preprocess, TensorIsNormalisedPlaneByPlane) {
  const std::vector<uint8_t> source = {0, 51, 255};
  const PreprocessSpec spec{
      .mode = ResizeMode::Stretch, .crop_width = 1, .crop_height = 1, .mean = {0.5f, 0, 0}, .std = {0.5f, 1, 2}};
  std::vector<float> tensor(3);
  ASSERT_TRUE(preprocess_to_tensor(spec, {PixelFormat::Rgb, 1, 1, source.data(), 3}, tensor).ok());
  EXPECT_FLOAT_EQ(tensor[0], -1.0f);
  EXPECT_FLOAT_EQ(tensor[1], 0.2f);
  EXPECT_FLOAT_EQ(tensor[2], 0.5f);
}

TEST(Preprocess, ACropLargerThanThePictureIsRefusedByItsSizes) {
  const std::vector<uint8_t> source(3);
  std::vector<uint8_t> pixels(224 * 224 * 3);
  PreprocessSpec spec;
  spec.resize = 200;
  const Status status = preprocess_to_pixels(spec, {PixelFormat::Rgb, 1, 1, source.data(), 3}, pixels);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::InvalidArgument);
  EXPECT_NE(status.error().message.find("224x224"), std::string::npos);
  EXPECT_NE(status.error().message.find("200x200"), std::string::npos);
}

}  // namespace
}  // namespace resnetft
