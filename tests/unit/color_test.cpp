// SPDX-License-Identifier: MIT
// YUV against a reference in double precision, written from the definitions of BT.601, BT.709 and BT.2020.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <vector>

#include "resnetft/preprocess.h"

namespace resnetft {
namespace {

struct Colorimetry {
  ColorMatrix matrix;
  double red_weight, blue_weight;
};
constexpr std::array kMatrices = {Colorimetry{ColorMatrix::Bt601, 0.299, 0.114},
                                  Colorimetry{ColorMatrix::Bt709, 0.2126, 0.0722},
                                  Colorimetry{ColorMatrix::Bt2020, 0.2627, 0.0593}};

std::array<double, 3> reference_rgb(const Colorimetry& c, bool limited, int y, int u, int v) {
  const double luma = limited ? (y - 16) / 219.0 : y / 255.0;
  const double blue_difference = (u - 128) / (limited ? 224.0 : 255.0);
  const double red_difference = (v - 128) / (limited ? 224.0 : 255.0);
  const double red = luma + 2 * (1 - c.red_weight) * red_difference;
  const double blue = luma + 2 * (1 - c.blue_weight) * blue_difference;
  const double green = (luma - c.red_weight * red - c.blue_weight * blue) / (1 - c.red_weight - c.blue_weight);
  return {std::clamp(red, 0.0, 1.0) * 255, std::clamp(green, 0.0, 1.0) * 255, std::clamp(blue, 0.0, 1.0) * 255};
}

std::vector<uint8_t> unscaled(ImageView view) {
  const PreprocessSpec spec{.resize = 0, .crop_width = view.width, .crop_height = view.height};
  std::vector<uint8_t> pixels(static_cast<size_t>(view.width * view.height * 3));
  EXPECT_TRUE(Preprocessor::create(spec).value().to_pixels(view, pixels).ok());
  return pixels;
}

// 4:2:0 and 4:2:2 pictures of one colour are all that the arithmetic needs; where samples lie is tested below.
TEST(Color, EveryColourIsWithinOneStepOfTheReference) {
  for (const Colorimetry& c : kMatrices)
    for (const bool limited : {true, false})
      for (int y = 0; y < 256; y += 5)
        for (int u = 0; u < 256; u += 15)
          for (int v = 0; v < 256; v += 15) {
            const std::array<uint8_t, 4> bytes = {static_cast<uint8_t>(y), static_cast<uint8_t>(u),
                                                  static_cast<uint8_t>(y), static_cast<uint8_t>(v)};
            const std::vector<uint8_t> pixels = unscaled({.format = PixelFormat::Yuy2,
                                                          .width = 2,
                                                          .height = 1,
                                                          .planes = {bytes.data()},
                                                          .strides = {4},
                                                          .matrix = c.matrix,
                                                          .range = limited ? ColorRange::Limited : ColorRange::Full});
            const std::array<double, 3> expected = reference_rgb(c, limited, y, u, v);
            for (size_t i = 0; i < 6; ++i) ASSERT_NEAR(pixels[i], expected[i % 3], 1.0) << y << " " << u << " " << v;
          }
}

// A picture of random samples of its own for every pixel, stored in each format with odd sizes and padded rows.
class Samples {
 public:
  static constexpr int kWidth = 7, kHeight = 5, kChromaWidth = 4, kStride = 16;

  explicit Samples(bool half_height) : half_height_(half_height) {
    std::mt19937 random(3);
    for (uint8_t& value : luma_) value = static_cast<uint8_t>(random());
    for (uint8_t& value : u_) value = static_cast<uint8_t>(random());
    for (uint8_t& value : v_) value = static_cast<uint8_t>(random());
  }
  uint8_t luma(int x, int y) const { return luma_[static_cast<size_t>(y * kWidth + x)]; }
  uint8_t u(int x, int y) const { return u_[chroma(x, y)]; }
  uint8_t v(int x, int y) const { return v_[chroma(x, y)]; }

 private:
  size_t chroma(int x, int y) const { return static_cast<size_t>((half_height_ ? y / 2 : y) * kChromaWidth + x / 2); }
  bool half_height_;
  std::array<uint8_t, kWidth * kHeight> luma_;
  std::array<uint8_t, kChromaWidth * kHeight> u_, v_;
};

using Plane = std::array<uint8_t, Samples::kStride * Samples::kHeight>;

// Writes one sample of a format: where in which plane.
void store(PixelFormat format, const Samples& s, int x, int y, std::array<Plane, 3>& planes) {
  const size_t row = static_cast<size_t>(y * Samples::kStride), half = static_cast<size_t>(y / 2 * Samples::kStride);
  const size_t column = static_cast<size_t>(x), pair = static_cast<size_t>(x / 2);
  const bool packed = format == PixelFormat::Yuy2 || format == PixelFormat::Uyvy;
  const size_t luma_first = format == PixelFormat::Yuy2 ? 0 : 1;
  if (packed) {
    planes[0][row + column * 2 + luma_first] = s.luma(x, y);
    planes[0][row + pair * 4 + 1 - luma_first] = s.u(x, y);
    planes[0][row + pair * 4 + 3 - luma_first] = s.v(x, y);
    return;
  }
  planes[0][row + column] = s.luma(x, y);
  if (format == PixelFormat::Nv12 || format == PixelFormat::Nv21) {
    const size_t u_first = format == PixelFormat::Nv12 ? 0 : 1;
    planes[1][half + pair * 2 + u_first] = s.u(x, y);
    planes[1][half + pair * 2 + 1 - u_first] = s.v(x, y);
    return;
  }
  const size_t u_plane = format == PixelFormat::I420 ? 1 : 2;
  planes[u_plane][half + pair] = s.u(x, y);
  planes[3 - u_plane][half + pair] = s.v(x, y);
}

TEST(Color, EveryFormatFindsItsSamplesAtOddSizesAndPaddedRows) {
  for (const PixelFormat format : {PixelFormat::Nv12, PixelFormat::Nv21, PixelFormat::I420, PixelFormat::Yv12,
                                   PixelFormat::Yuy2, PixelFormat::Uyvy}) {
    const bool half_height = format != PixelFormat::Yuy2 && format != PixelFormat::Uyvy;
    const Samples samples(half_height);
    std::array<Plane, 3> planes = {};
    for (int y = 0; y < Samples::kHeight; ++y)
      for (int x = 0; x < Samples::kWidth; ++x) store(format, samples, x, y, planes);
    const std::vector<uint8_t> pixels = unscaled({.format = format,
                                                  .width = Samples::kWidth,
                                                  .height = Samples::kHeight,
                                                  .planes = {planes[0].data(), planes[1].data(), planes[2].data()},
                                                  .strides = {Samples::kStride, Samples::kStride, Samples::kStride},
                                                  .matrix = ColorMatrix::Bt709});
    for (int y = 0; y < Samples::kHeight; ++y)
      for (int x = 0; x < Samples::kWidth; ++x) {
        const std::array<double, 3> expected =
            reference_rgb(kMatrices[1], true, samples.luma(x, y), samples.u(x, y), samples.v(x, y));
        for (size_t c = 0; c < 3; ++c)
          ASSERT_NEAR(pixels[static_cast<size_t>(y * Samples::kWidth + x) * 3 + c], expected[c], 1.0)
              << "format " << static_cast<int>(format) << " at " << x << "," << y;
      }
  }
}

}  // namespace
}  // namespace resnetft
