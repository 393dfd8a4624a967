// SPDX-License-Identifier: MIT
#include "live/reduction.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/picture.h"

namespace resnetft {
namespace {

using testing::Picture;

// Brightness rises to the right in R and downwards in G, so that a shift or stretch shows.
Picture slopes(int width, int height) {
  Picture picture = testing::make_picture(PixelFormat::Rgb, width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      *testing::byte_at(picture, 0, y, 3 * x) = static_cast<uint8_t>(255 * x / width);
      *testing::byte_at(picture, 0, y, 3 * x + 1) = static_cast<uint8_t>(255 * y / height);
      *testing::byte_at(picture, 0, y, 3 * x + 2) = 128;
    }
  return picture;
}

std::vector<uint8_t> seen_by(const PreprocessSpec& spec, const ImageView& view) {
  std::vector<uint8_t> pixels(static_cast<size_t>(spec.crop_width) * static_cast<size_t>(spec.crop_height) * 3);
  EXPECT_TRUE(Preprocessor::create(spec)->to_pixels(view, pixels).ok());
  return pixels;
}

double mean_difference(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

struct Case {
  const char* name;
  PreprocessSpec spec;
};

std::vector<Case> cases() {
  const auto spec = [](ResizeMode mode, int resize, int width, int height) {
    return PreprocessSpec{.mode = mode, .resize = resize, .crop_width = width, .crop_height = height};
  };
  return {{"torchvision's", spec(ResizeMode::Crop, 256, 224, 224)},
          {"Inception's", spec(ResizeMode::Crop, 342, 299, 299)},
          {"wide crop", spec(ResizeMode::Crop, 64, 90, 50)},
          {"upright crop", spec(ResizeMode::Crop, 64, 50, 90)},
          {"no margin in the card", spec(ResizeMode::Crop, 96, 96, 96)},
          {"crop that pads", spec(ResizeMode::Crop, 64, 96, 96)},
          {"no resize", spec(ResizeMode::Crop, 0, 96, 96)},
          {"stretch", spec(ResizeMode::Stretch, 0, 48, 32)},
          {"letterbox", spec(ResizeMode::Letterbox, 0, 96, 96)},
          {"wide letterbox", spec(ResizeMode::Letterbox, 0, 299, 160)}};
}

// Two resamplings instead of one: a level of 255 of rounding, and the edges of bars, which may lie a pixel elsewhere:
// two of 90 columns at half brightness are 3 levels. A picture that was stretched or cut otherwise is 10 levels away.
TEST(Reduction, TheModelSeesInTheKeptPictureWhatItWouldHaveSeenInTheFrame) {
  for (const Case& c : cases())
    for (const auto& [width, height] : {std::pair{640, 360}, {360, 640}, {500, 500}, {641, 123}}) {
      const Picture frame = slopes(width, height);
      SmallPicture kept;
      ASSERT_TRUE(Reduction(c.spec, kept_size(c.spec)).run(frame.view, kept).ok());
      EXPECT_LT(mean_difference(seen_by(c.spec, frame.view), seen_by(c.spec, view_of(kept))), 3)
          << c.name << ' ' << width << 'x' << height;
    }
}

TEST(Reduction, KeepsTheCropAndAnEighth) {
  EXPECT_EQ(kept_size({}), (Size{252, 252}));
  EXPECT_EQ(kept_size({.crop_width = 48, .crop_height = 32}), (Size{54, 36}));
  EXPECT_EQ(kept_size({.crop_width = 299, .crop_height = 299}), (Size{337, 337}));
}

TEST(Reduction, TurnsAsTheOrientationSaysAndKeepsTheRegionOnly) {
  Picture frame = slopes(400, 200);
  frame.view.orientation = Orientation::Rotate90Clockwise;
  frame.view.region = {40, 20, 200, 100};
  const PreprocessSpec spec{.resize = 64, .crop_width = 56, .crop_height = 56};
  SmallPicture kept;
  ASSERT_TRUE(Reduction(spec, kept_size(spec)).run(frame.view, kept).ok());
  EXPECT_LT(mean_difference(seen_by(spec, frame.view), seen_by(spec, view_of(kept))), 1.5);
}

TEST(Reduction, RefusesWhatAPreprocessorRefuses) {
  SmallPicture kept;
  EXPECT_EQ(Reduction({}, {252, 252}).run(ImageView{}, kept).error().code, ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace resnetft
