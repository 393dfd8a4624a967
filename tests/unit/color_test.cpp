// SPDX-License-Identifier: MIT
// Conversion to RGB alone: with resize 0 and the crop as large as the picture, every filter is the identity.
#include <gtest/gtest.h>

#include <cmath>
#include <string_view>

#include "resnetft/preprocess.h"
#include "tests/support/picture.h"

namespace resnetft {
namespace {

using testing::byte_at;
using testing::Picture;
using testing::Random;

constexpr PixelFormat kYuvFormats[] = {PixelFormat::Nv12, PixelFormat::Nv21, PixelFormat::I420,
                                       PixelFormat::Yv12, PixelFormat::Yuy2, PixelFormat::Uyvy};

std::vector<uint8_t> to_rgb(const ImageView& view) {
  const PreprocessSpec spec = {.resize = 0, .crop_width = view.width, .crop_height = view.height};
  std::vector<uint8_t> pixels(static_cast<size_t>(view.width * view.height * 3));
  Result<Preprocessor> preprocessor = Preprocessor::create(spec);
  EXPECT_TRUE(preprocessor.ok());
  const Status status = preprocessor->to_pixels(view, pixels);
  EXPECT_TRUE(status.ok()) << to_string(status.error());
  return pixels;
}

struct Yuv {
  double y, u, v;
};

// Written out from the recommendations: Y' spans 16 to 235 and chroma 16 to 240 in limited range, 0 to 255 in full.
std::array<double, 3> exact_rgb(const Yuv& sample, ColorMatrix matrix, ColorRange range) {
  const double kr = matrix == ColorMatrix::Bt601 ? 0.299 : matrix == ColorMatrix::Bt709 ? 0.2126 : 0.2627;
  const double kb = matrix == ColorMatrix::Bt601 ? 0.114 : matrix == ColorMatrix::Bt709 ? 0.0722 : 0.0593;
  const bool full = range == ColorRange::Full;
  const double y = full ? sample.y / 255.0 : (sample.y - 16.0) / 219.0;
  const double pb = (sample.u - 128.0) / (full ? 255.0 : 224.0), pr = (sample.v - 128.0) / (full ? 255.0 : 224.0);
  const double red = y + 2.0 * (1.0 - kr) * pr, blue = y + 2.0 * (1.0 - kb) * pb;
  const double green = (y - kr * red - kb * blue) / (1.0 - kr - kb);
  std::array<double, 3> rgb = {red, green, blue};
  for (double& value : rgb) value = std::fmin(std::fmax(value * 255.0, 0.0), 255.0);
  return rgb;
}

// Where the samples of pixel x, y lie, told apart from the library's own table.
Yuv sample_at(Picture& picture, int x, int y) {
  const auto at = [&](size_t plane, int row, int byte) {
    return static_cast<double>(*byte_at(picture, plane, row, byte));
  };
  const int pair = x / 2;
  switch (picture.view.format) {
    case PixelFormat::Nv12:
      return {at(0, y, x), at(1, y / 2, pair * 2), at(1, y / 2, pair * 2 + 1)};
    case PixelFormat::Nv21:
      return {at(0, y, x), at(1, y / 2, pair * 2 + 1), at(1, y / 2, pair * 2)};
    case PixelFormat::I420:
      return {at(0, y, x), at(1, y / 2, pair), at(2, y / 2, pair)};
    case PixelFormat::Yv12:
      return {at(0, y, x), at(2, y / 2, pair), at(1, y / 2, pair)};
    case PixelFormat::Yuy2:
      return {at(0, y, x * 2), at(0, y, pair * 4 + 1), at(0, y, pair * 4 + 3)};
    default:
      return {at(0, y, x * 2 + 1), at(0, y, pair * 4), at(0, y, pair * 4 + 2)};
  }
}

double worst_difference(Picture& picture) {
  const std::vector<uint8_t> pixels = to_rgb(picture.view);
  double worst = 0.0;
  for (int y = 0; y < picture.view.height; ++y)
    for (int x = 0; x < picture.view.width; ++x) {
      const std::array<double, 3> exact = exact_rgb(sample_at(picture, x, y), picture.view.matrix, picture.view.range);
      for (size_t c = 0; c < 3; ++c) {
        const auto at = static_cast<size_t>(y * picture.view.width + x) * 3 + c;
        worst = std::fmax(worst, std::fabs(pixels[at] - exact[c]));
      }
    }
  return worst;
}

template <class Check>
void for_each_colorimetry(const Check& check) {
  for (const ColorMatrix matrix : {ColorMatrix::Bt601, ColorMatrix::Bt709, ColorMatrix::Bt2020})
    for (const ColorRange range : {ColorRange::Limited, ColorRange::Full}) {
      SCOPED_TRACE("matrix " + std::to_string(static_cast<int>(matrix)) + ", range " +
                   std::to_string(static_cast<int>(range)));
      check(matrix, range);
    }
}

// 0.5 for the rounding to 8 bits and 0.05 for the 13-bit factors: stricter than the 1 that is promised.
constexpr double kLimit = 0.55;

// Every 15th value from 0 to 255 of Y, U and V, the ends included, with all 18 x 18 x 18 neighbourhoods.
TEST(Color, EverySampleOfACoarseGridIsWithinRoundingOfTheExactColour) {
  constexpr int kSteps = 18;
  for_each_colorimetry([](ColorMatrix matrix, ColorRange range) {
    Picture picture = testing::make_picture(PixelFormat::Nv12, kSteps * 2, kSteps * kSteps * 2);
    picture.view.matrix = matrix;
    picture.view.range = range;
    const auto value = [](int step) { return static_cast<uint8_t>(step * 15); };
    for (int row = 0; row < kSteps * kSteps; ++row)
      for (int i = 0; i < kSteps; ++i) {
        *byte_at(picture, 1, row, i * 2) = value(row / kSteps);
        *byte_at(picture, 1, row, i * 2 + 1) = value(row % kSteps);
        for (int corner = 0; corner < 4; ++corner)
          *byte_at(picture, 0, row * 2 + corner / 2, i * 2 + corner % 2) = value(i);
      }
    EXPECT_LE(worst_difference(picture), kLimit);
  });
}

TEST(Color, EveryYuvFormatIsWithinRoundingOfTheExactColourInOddSizesAndWithAnyStride) {
  Random random(1);
  for_each_colorimetry([&](ColorMatrix matrix, ColorRange range) {
    for (const PixelFormat format : kYuvFormats)
      for (const auto& [width, height] :
           {std::pair{1, 1}, {2, 1}, {1, 3}, {5, 3}, {16, 2}, {33, 7}, {71, 19}, {130, 64}})
        for (const int padding : {0, 1, 64})
          for (const bool bottom_up : {false, true}) {
            Picture picture = testing::make_picture(format, width, height, padding, bottom_up);
            testing::fill_random(picture, random);
            picture.view.matrix = matrix;
            picture.view.range = range;
            EXPECT_LE(worst_difference(picture), kLimit)
                << static_cast<int>(format) << " " << width << "x" << height << " padding " << padding;
          }
  });
}

TEST(Color, LimitedRangeMapsBlackAndWhiteToTheEnds) {
  Picture picture = testing::make_picture(PixelFormat::Nv12, 2, 1);
  picture.planes[0] = {16, 235};
  picture.planes[1] = {128, 128};
  picture.view.planes = {picture.planes[0].data(), picture.planes[1].data()};
  EXPECT_EQ(to_rgb(picture.view), (std::vector<uint8_t>{0, 0, 0, 255, 255, 255}));
}

TEST(Color, EveryOrderOfBytesGivesTheSamePixels) {
  struct Order {
    PixelFormat format;
    std::string_view bytes;
  };
  constexpr int kWidth = 37;
  for (const Order& order :
       {Order{PixelFormat::Rgb, "rgb"}, Order{PixelFormat::Bgr, "bgr"}, Order{PixelFormat::Rgba, "rgba"},
        Order{PixelFormat::Bgra, "bgra"}, Order{PixelFormat::Argb, "argb"}, Order{PixelFormat::Abgr, "abgr"},
        Order{PixelFormat::Rgbx, "rgbx"}, Order{PixelFormat::Bgrx, "bgrx"}, Order{PixelFormat::Xrgb, "xrgb"},
        Order{PixelFormat::Xbgr, "xbgr"}}) {
    Picture picture = testing::make_picture(order.format, kWidth, 1);
    std::vector<uint8_t> expected;
    size_t next = 0;
    for (int x = 0; x < kWidth; ++x) {
      for (const int base : {10, 70, 130}) expected.push_back(static_cast<uint8_t>(base + x));
      for (const char byte : order.bytes)
        picture.planes[0][next++] = static_cast<uint8_t>((byte == 'r'   ? 10
                                                          : byte == 'g' ? 70
                                                          : byte == 'b' ? 130
                                                                        : 200) +
                                                         x);
    }
    EXPECT_EQ(to_rgb(picture.view), expected) << order.bytes;
  }
}

TEST(Color, GrayIsCopiedToAllThreeChannelsInFullRange) {
  Picture picture = testing::make_picture(PixelFormat::Gray8, 256, 1);
  std::vector<uint8_t> expected;
  for (int value = 0; value < 256; ++value) {
    picture.planes[0][static_cast<size_t>(value)] = static_cast<uint8_t>(value);
    expected.insert(expected.end(), 3, static_cast<uint8_t>(value));
  }
  EXPECT_EQ(to_rgb(picture.view), expected);
}

}  // namespace
}  // namespace resnetft
