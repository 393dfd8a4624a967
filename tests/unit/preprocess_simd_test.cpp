// SPDX-License-Identifier: MIT
// The plain kernels define the bits; every other variant that this processor runs must give the same.
#include <gtest/gtest.h>

#include <cstring>
#include <sstream>

#include "image/resampler.h"
#include "tests/support/picture.h"

namespace resnetft {
namespace {

using testing::draw;
using testing::Picture;
using testing::Random;

struct Case {
  PreprocessSpec spec;
  Picture picture;

  std::string text() const {
    std::ostringstream out;
    const ImageView& view = picture.view;
    out << "format " << static_cast<int>(view.format) << " " << view.width << "x" << view.height << " stride "
        << view.strides[0] << " orientation " << static_cast<int>(view.orientation) << " region " << view.region.x
        << "," << view.region.y << " " << view.region.width << "x" << view.region.height << " mode "
        << static_cast<int>(spec.mode) << " resize " << spec.resize << " crop " << spec.crop_width << "x"
        << spec.crop_height << (spec.interpolation == Interpolation::Bicubic ? " bicubic" : " bilinear");
    return out.str();
  }
};

// Mostly small, sometimes long in one direction.
int random_side(Random& random) { return draw(random, 0, 9) == 0 ? draw(random, 1, 700) : draw(random, 1, 48); }

Case random_case(Random& random) {
  Case result;
  PreprocessSpec& spec = result.spec;
  spec.mode = static_cast<ResizeMode>(draw(random, 0, 2));
  spec.interpolation = static_cast<Interpolation>(draw(random, 0, 1));
  spec.resize = draw(random, 0, 4) == 0 ? 0 : draw(random, 1, 50);
  spec.crop_width = draw(random, 1, 45);
  spec.crop_height = draw(random, 1, 45);
  result.picture = testing::random_picture(random, static_cast<PixelFormat>(draw(random, 0, 16)), random_side(random),
                                           random_side(random));
  ImageView& view = result.picture.view;
  view.matrix = static_cast<ColorMatrix>(draw(random, 0, 2));
  view.range = static_cast<ColorRange>(draw(random, 0, 1));
  view.orientation = static_cast<Orientation>(draw(random, 1, 8));
  if (draw(random, 0, 2) == 0) {
    const int x = draw(random, 0, view.width - 1), y = draw(random, 0, view.height - 1);
    view.region = {x, y, draw(random, 1, view.width - x), draw(random, 1, view.height - y)};
  }
  return result;
}

std::vector<uint8_t> pixels_at(SimdLevel level, const Case& test_case) {
  const PreprocessSpec& spec = test_case.spec;
  std::vector<uint8_t> pixels(static_cast<size_t>(spec.crop_width * spec.crop_height * 3));
  Destination destination;
  destination.pixels = pixels.data();
  destination.width = spec.crop_width;
  destination.height = spec.crop_height;
  Resampler(spec, row_kernels(level)).run(test_case.picture.view, destination);
  return pixels;
}

class EveryVariant : public ::testing::TestWithParam<SimdLevel> {
 protected:
  void SetUp() override {
    const std::span<const SimdLevel> available = available_simd_levels();
    if (std::find(available.begin(), available.end(), GetParam()) == available.end())
      GTEST_SKIP() << "this processor has no instructions for it: bit-equality NOT TESTED";
    ASSERT_EQ(row_kernels(GetParam()).level, GetParam());
  }
};

TEST_P(EveryVariant, GivesTheBitsOfThePlainOneInTenThousandRandomCases) {
  Random random(5);
  for (int i = 0; i < 10000; ++i) {
    const Case test_case = random_case(random);
    ASSERT_EQ(pixels_at(GetParam(), test_case), pixels_at(SimdLevel::Plain, test_case))
        << i << ": " << test_case.text();
  }
}

TEST_P(EveryVariant, GivesTheBitsOfThePlainOneOnAFullFrameOfEachFormat) {
  Random random(6);
  for (int format = 0; format <= static_cast<int>(PixelFormat::Uyvy); ++format) {
    Case test_case;
    test_case.picture = testing::random_picture(random, static_cast<PixelFormat>(format), 641, 363);
    EXPECT_EQ(pixels_at(GetParam(), test_case), pixels_at(SimdLevel::Plain, test_case)) << test_case.text();
  }
}

// Black and white columns drive a cubic's negative lobes and the sums' upper end to their limits.
TEST_P(EveryVariant, SaturatesAsThePlainOneDoes) {
  for (const int period : {1, 2, 3, 5, 8}) {
    Case test_case;
    test_case.spec = {
        .mode = ResizeMode::Stretch, .interpolation = Interpolation::Bicubic, .crop_width = 61, .crop_height = 37};
    test_case.picture = testing::make_picture(PixelFormat::Gray8, 40, 40);
    for (int y = 0; y < 40; ++y)
      for (int x = 0; x < 40; ++x)
        *testing::byte_at(test_case.picture, 0, y, x) = (x / period + y / period) % 2 ? 255 : 0;
    EXPECT_EQ(pixels_at(GetParam(), test_case), pixels_at(SimdLevel::Plain, test_case)) << "period " << period;
  }
}

std::string level_name(const ::testing::TestParamInfo<SimdLevel>& info) {
  return info.param == SimdLevel::Avx2 ? "Avx2" : "Avx512";
}
INSTANTIATE_TEST_SUITE_P(Preprocess, EveryVariant, ::testing::Values(SimdLevel::Avx2, SimdLevel::Avx512), level_name);

TEST(PreprocessSimd, TheBestLevelIsTheLastOfTheAvailableOnes) {
  EXPECT_EQ(available_simd_levels().front(), SimdLevel::Plain);
  EXPECT_EQ(available_simd_levels().back(), best_simd_level());
}

}  // namespace
}  // namespace resnetft
