// SPDX-License-Identifier: MIT
// The expected pixels are Pillow's and torchvision's, from data/preprocess (made by data/make_goldens.py).
#include "resnetft/preprocess.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
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
  return {.format = PixelFormat::Bgr,
          .width = bgr.cols,
          .height = bgr.rows,
          .planes = {bgr.data},
          .strides = {static_cast<ptrdiff_t>(bgr.step[0])}};
}

ImageView packed_view(PixelFormat format, int width, int height, const std::vector<uint8_t>& bytes) {
  return {.format = format,
          .width = width,
          .height = height,
          .planes = {bytes.data()},
          .strides = {static_cast<ptrdiff_t>(bytes.size()) / height}};
}

std::vector<uint8_t> pixels_of(const PreprocessSpec& spec, const ImageView& view) {
  std::vector<uint8_t> pixels(static_cast<size_t>(spec.crop_width * spec.crop_height * 3));
  const Status status = Preprocessor::create(spec).value().to_pixels(view, pixels);
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : to_string(status.error()));
  return pixels;
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
    const std::vector<uint8_t> pixels = pixels_of(spec, view_of(bgr));
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
    std::vector<uint8_t> source;
    for (int x = 0; x < 2; ++x)
      for (const char byte : order.bytes)
        source.push_back(static_cast<uint8_t>((byte == 'r' ? 10 : byte == 'g' ? 20 : byte == 'b' ? 30 : 99) + x));
    EXPECT_EQ(pixels_of(spec, packed_view(order.format, 2, 1, source)), (std::vector<uint8_t>{10, 20, 30, 11, 21, 31}))
        << order.bytes;
  }
}

TEST(Preprocess, TensorIsNormalisedPlaneByPlane) {
  const std::vector<uint8_t> source = {0, 51, 255};
  const PreprocessSpec spec{
      .mode = ResizeMode::Stretch, .crop_width = 1, .crop_height = 1, .mean = {0.5f, 0, 0}, .std = {0.5f, 1, 2}};
  std::vector<float> tensor(3);
  const ImageView view = packed_view(PixelFormat::Rgb, 1, 1, source);
  ASSERT_TRUE(Preprocessor::create(spec).value().to_tensor(view, tensor).ok());
  EXPECT_FLOAT_EQ(tensor[0], -1.0f);
  EXPECT_FLOAT_EQ(tensor[1], 0.2f);
  EXPECT_FLOAT_EQ(tensor[2], 0.5f);
}

// torchvision's center_crop pads 3 pixels to 6 by 1 before and 2 behind.
TEST(Preprocess, ACropLargerThanThePictureIsPaddedWithBlack) {
  const PreprocessSpec spec{.resize = 0, .crop_width = 6, .crop_height = 1};
  const std::vector<uint8_t> source = {1, 2, 3};
  const std::vector<uint8_t> pixels = pixels_of(spec, packed_view(PixelFormat::Gray8, 3, 1, source));
  EXPECT_EQ(pixels, (std::vector<uint8_t>{0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 0, 0, 0, 0, 0, 0}));
}

TEST(Preprocess, LetterboxShowsTheWholePictureBetweenBarsOfTheMean) {
  const PreprocessSpec spec{
      .mode = ResizeMode::Letterbox, .crop_width = 2, .crop_height = 4, .mean = {0.2f, 0.4f, 0.6f}};
  const std::vector<uint8_t> source(2 * 2 * 3, 200);
  const std::vector<uint8_t> pixels = pixels_of(spec, packed_view(PixelFormat::Rgb, 2, 2, source));
  const std::vector<uint8_t> bar = {51, 102, 153, 51, 102, 153};
  EXPECT_EQ(std::vector<uint8_t>(pixels.begin(), pixels.begin() + 6), bar);
  EXPECT_EQ(std::vector<uint8_t>(pixels.begin() + 6, pixels.begin() + 18), std::vector<uint8_t>(12, 200));
  EXPECT_EQ(std::vector<uint8_t>(pixels.begin() + 18, pixels.end()), bar);
}

// The picture  1 2 3 / 4 5 6  as EXIF's eight values turn it.
TEST(Preprocess, OrientationsTurnThePictureAsExifSays) {
  const std::vector<uint8_t> source = {1, 2, 3, 4, 5, 6};
  const std::vector<std::string> turned = {"123456", "321654", "654321", "456123",
                                           "142536", "415263", "635241", "362514"};
  for (size_t value = 1; value <= turned.size(); ++value) {
    ImageView view = packed_view(PixelFormat::Gray8, 3, 2, source);
    view.orientation = static_cast<Orientation>(value);
    const bool upright = value < 5;
    const PreprocessSpec spec{.resize = 0, .crop_width = upright ? 3 : 2, .crop_height = upright ? 2 : 3};
    const std::vector<uint8_t> pixels = pixels_of(spec, view);
    std::string text;
    for (size_t i = 0; i < pixels.size(); i += 3) text += static_cast<char>('0' + pixels[i]);
    EXPECT_EQ(text, turned[value - 1]) << value;
  }
}

TEST(Preprocess, ARegionIsCutBeforeAnythingElse) {
  const std::vector<uint8_t> source = {1, 2, 3, 4, 5, 6};
  ImageView view = packed_view(PixelFormat::Gray8, 3, 2, source);
  view.region = {1, 1, 2, 1};
  const PreprocessSpec spec{.resize = 0, .crop_width = 2, .crop_height = 1};
  EXPECT_EQ(pixels_of(spec, view), (std::vector<uint8_t>{5, 5, 5, 6, 6, 6}));
  view.region = {2, 0, 2, 1};
  std::vector<uint8_t> pixels(6);
  const Status status = Preprocessor::create(spec).value().to_pixels(view, pixels);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::InvalidArgument);
}

TEST(Preprocess, RowsMayBeStoredBottomUpAndPadded) {
  const std::vector<uint8_t> source = {3, 4, 99, 1, 2, 99};
  ImageView view = packed_view(PixelFormat::Gray8, 2, 2, source);
  view.planes[0] = source.data() + 3;
  view.strides[0] = -3;
  const PreprocessSpec spec{.resize = 0, .crop_width = 2, .crop_height = 2};
  EXPECT_EQ(pixels_of(spec, view), (std::vector<uint8_t>{1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4}));
}

TEST(Preprocess, BothLayoutsHoldTheSameValues) {
  std::vector<uint8_t> source(16 * 16 * 3);
  for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<uint8_t>(i * 7);
  const PreprocessSpec spec{.resize = 12, .crop_width = 8, .crop_height = 8};
  Preprocessor preprocessor = Preprocessor::create(spec).value();
  std::vector<float> planes(192), pixels(192);
  const ImageView view = packed_view(PixelFormat::Rgb, 16, 16, source);
  ASSERT_TRUE(preprocessor.to_tensor(view, planes, TensorLayout::Nchw).ok());
  ASSERT_TRUE(preprocessor.to_tensor(view, pixels, TensorLayout::Nhwc).ok());
  for (size_t i = 0; i < 64; ++i)
    for (size_t c = 0; c < 3; ++c) ASSERT_EQ(planes[c * 64 + i], pixels[i * 3 + c]);
}

TEST(Preprocess, VeryLongPicturesAreReadOnlyUnderTheCrop) {
  const std::vector<uint8_t> source(10000, 77);
  const PreprocessSpec spec;
  for (const bool tall : {true, false}) {
    const ImageView view = packed_view(PixelFormat::Gray8, tall ? 1 : 10000, tall ? 10000 : 1, source);
    const std::vector<uint8_t> pixels = pixels_of(spec, view);
    EXPECT_EQ(std::ranges::count(pixels, 77), 224 * 224 * 3);
  }
}

TEST(Preprocess, ASpecThatMakesNoSenseIsRefused) {
  EXPECT_FALSE(Preprocessor::create({.crop_width = 0}).ok());
  EXPECT_FALSE(Preprocessor::create({.resize = 40000}).ok());
  EXPECT_FALSE(Preprocessor::create({.std = {0, 1, 1}}).ok());
  EXPECT_FALSE(Preprocessor::create({.mean = {std::nanf(""), 0, 0}}).ok());
}

}  // namespace
}  // namespace resnetft
