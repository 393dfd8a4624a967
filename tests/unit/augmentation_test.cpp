// SPDX-License-Identifier: MIT
#include "data/augmentation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tests/support/dataset.h"

namespace resnetft {
namespace {

using Pixels = std::vector<uint8_t>;

PreprocessSpec output_of(int width, int height) {
  return {.mode = ResizeMode::Stretch, .crop_width = width, .crop_height = height};
}

Augmenter augmenter_of(const AugmentSpec& spec, const PreprocessSpec& output, uint64_t seed = 1) {
  return Augmenter::create(spec, output, seed).value();
}

Pixels pixels_of(Augmenter& augmenter, const DecodedImage& image, int width, int height, uint32_t epoch,
                 uint32_t index) {
  Pixels pixels(static_cast<size_t>(width * height * 3));
  EXPECT_TRUE(augmenter.to_pixels(image.view, epoch, index, pixels).ok());
  return pixels;
}

// Red is the column, green the row: a crop shows where it lies.
DecodedImage ruler(int width, int height) {
  Pixels rgb;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) rgb.insert(rgb.end(), {static_cast<uint8_t>(x), static_cast<uint8_t>(y), 7});
  return testing::image_of(std::move(rgb), width, height);
}

TEST(Augmentation, DependsOnSeedEpochAndIndexAndNothingElse) {
  const DecodedImage image = testing::noise_image(1, 60, 50);
  Augmenter one = augmenter_of({}, output_of(20, 20)), two = augmenter_of({}, output_of(20, 20));
  pixels_of(two, image, 20, 20, 9, 9);
  const Pixels expected = pixels_of(one, image, 20, 20, 3, 4);
  EXPECT_EQ(pixels_of(two, image, 20, 20, 3, 4), expected);
  EXPECT_NE(pixels_of(two, image, 20, 20, 4, 4), expected);
  EXPECT_NE(pixels_of(two, image, 20, 20, 3, 5), expected);
  Augmenter other_seed = augmenter_of({}, output_of(20, 20), 2);
  EXPECT_NE(pixels_of(other_seed, image, 20, 20, 3, 4), expected);
}

// Of a ruler, the corners of the output tell the crop's place and size.
TEST(Augmentation, ResizedCropsHaveTheAreasAndRatiosOfThePaper) {
  constexpr int kSide = 200;
  const DecodedImage image = ruler(kSide, kSide);
  Augmenter augmenter = augmenter_of({.flip = 0}, output_of(64, 64));
  double smallest = 1, largest = 0, flattest = 1, widest = 1;
  std::set<int> lefts;
  for (uint32_t index = 0; index < 500; ++index) {
    const Pixels pixels = pixels_of(augmenter, image, 64, 64, 0, index);
    // The outermost output pixels lie half an output pixel inside the crop.
    const double width = (pixels[63 * 3] - pixels[0]) * 64 / 63.0;
    const double height = (pixels[63 * 64 * 3 + 1] - pixels[1]) * 64 / 63.0;
    smallest = std::min(smallest, width * height / (kSide * kSide));
    largest = std::max(largest, width * height / (kSide * kSide));
    flattest = std::min(flattest, width / height);
    widest = std::max(widest, width / height);
    lefts.insert(pixels[0]);
  }
  EXPECT_NEAR(smallest, 0.08, 0.015);
  EXPECT_NEAR(largest, 1, 0.05);
  EXPECT_NEAR(flattest, 3.0 / 4, 0.04);
  EXPECT_NEAR(widest, 4.0 / 3, 0.06);
  EXPECT_GT(lefts.size(), 50u);
}

// No crop of ratio up to 4/3 has an eighth of the area of a picture that is 100 times as wide as high.
TEST(Augmentation, APictureTooFlatForAnyCropGivesItsMiddle) {
  const DecodedImage image = ruler(200, 2);
  Augmenter augmenter = augmenter_of({.flip = 0}, output_of(3, 2));
  const Pixels pixels = pixels_of(augmenter, image, 3, 2, 0, 0);
  EXPECT_EQ(pixels[0], 98);  // 3 columns of 200 begin at (200 - 3) / 2
  EXPECT_EQ(pixels[6], 100);
  EXPECT_EQ(pixels[1], 0);
  EXPECT_EQ(pixels[3 * 3 + 1], 1);
}

// A crop of the turned picture is the same whether the pixels were turned before or the view says how to turn them.
TEST(Augmentation, CropsOfAPictureTurnedByExifAreThoseOfTheTurnedPicture) {
  const DecodedImage stored = testing::noise_image(3, 47, 61);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    DecodedImage tagged = stored;
    tagged.view.orientation = static_cast<Orientation>(orientation);
    const bool sideways = orientation >= 5;
    const int width = sideways ? 61 : 47, height = sideways ? 47 : 61;
    Pixels turned(static_cast<size_t>(width * height * 3));
    ASSERT_TRUE(Preprocessor::create(output_of(width, height)).value().to_pixels(tagged.view, turned).ok());
    const DecodedImage plain = testing::image_of(turned, width, height);
    Augmenter augmenter = augmenter_of({}, output_of(16, 16));
    for (uint32_t index = 0; index < 8; ++index) {
      const Pixels expected = pixels_of(augmenter, plain, 16, 16, 0, index);
      const Pixels pixels = pixels_of(augmenter, tagged, 16, 16, 0, index);
      // Mirrored filters may round the other way.
      for (size_t i = 0; i < pixels.size(); ++i) ASSERT_NEAR(pixels[i], expected[i], 1) << orientation;
    }
  }
}

TEST(Augmentation, PadAndCropShiftsByUpToAnEighthAndFillsWithBlack) {
  const DecodedImage image = ruler(32, 32);
  Augmenter augmenter = augmenter_of({.crop = CropKind::PadAndCrop, .flip = 0}, output_of(32, 32));
  std::set<int> shifts_x, shifts_y;
  for (uint32_t index = 0; index < 400; ++index) {
    const Pixels pixels = pixels_of(augmenter, image, 32, 32, 0, index);
    const int shift_x = pixels[(16 * 32 + 16) * 3] - 16, shift_y = pixels[(16 * 32 + 16) * 3 + 1] - 16;
    shifts_x.insert(shift_x);
    shifts_y.insert(shift_y);
    for (int y = 0; y < 32; ++y)
      for (int x = 0; x < 32; ++x) {
        const int from_x = x + shift_x, from_y = y + shift_y;
        const bool inside = from_x >= 0 && from_x < 32 && from_y >= 0 && from_y < 32;
        const uint8_t* pixel = pixels.data() + (y * 32 + x) * 3;
        ASSERT_EQ(pixel[0], inside ? from_x : 0);
        ASSERT_EQ(pixel[1], inside ? from_y : 0);
        ASSERT_EQ(pixel[2], inside ? 7 : 0);
      }
  }
  EXPECT_EQ(shifts_x.size(), 9u);
  EXPECT_EQ(*shifts_x.begin(), -4);
  EXPECT_EQ(*shifts_x.rbegin(), 4);
  EXPECT_EQ(shifts_y.size(), 9u);
}

TEST(Augmentation, AFlipMirrorsHalfOfThePictures) {
  const DecodedImage image = ruler(9, 4);
  Augmenter augmenter = augmenter_of({.crop = CropKind::None}, output_of(9, 4));
  int flipped = 0;
  for (uint32_t index = 0; index < 1000; ++index) {
    const Pixels pixels = pixels_of(augmenter, image, 9, 4, 0, index);
    const bool mirrored = pixels[0] == 8;
    flipped += mirrored;
    for (int x = 0; x < 9; ++x) ASSERT_EQ(pixels[static_cast<size_t>(2 * 9 + x) * 3], mirrored ? 8 - x : x);
  }
  EXPECT_NEAR(flipped, 500, 60);
}

TEST(Augmentation, ATensorIsTheNormalisedPixelsInBothLayouts) {
  const DecodedImage image = testing::noise_image(5, 30, 30);
  const PreprocessSpec output = output_of(6, 5);
  Augmenter augmenter = augmenter_of({}, output);
  const Pixels pixels = pixels_of(augmenter, image, 6, 5, 2, 3);
  std::vector<float> nhwc(90), nchw(90);
  ASSERT_TRUE(augmenter.to_tensor(image.view, 2, 3, nhwc).ok());
  ASSERT_TRUE(augmenter.to_tensor(image.view, 2, 3, nchw, TensorLayout::Nchw).ok());
  for (size_t i = 0; i < 30; ++i)
    for (size_t c = 0; c < 3; ++c) {
      const float expected = (static_cast<float>(pixels[i * 3 + c]) / 255.0f - output.mean[c]) / output.std[c];
      EXPECT_EQ(nhwc[i * 3 + c], expected);
      EXPECT_EQ(nchw[c * 30 + i], expected);
    }
}

// White pictures, so that what is 0 was erased.
TEST(Augmentation, ErasingCutsOneRectangleOfThePapersAreaAndRatio) {
  constexpr int kSide = 60;
  const DecodedImage image = testing::image_of(Pixels(kSide * kSide * 3, 255), kSide, kSide);
  Augmenter augmenter = augmenter_of({.crop = CropKind::None, .flip = 0, .random_erase = 0.5}, output_of(kSide, kSide));
  int erased_pictures = 0;
  double smallest = 1, largest = 0;
  for (uint32_t index = 0; index < 400; ++index) {
    std::vector<float> tensor(kSide * kSide * 3);
    ASSERT_TRUE(augmenter.to_tensor(image.view, 0, index, tensor).ok());
    int left = kSide, right = -1, top = kSide, bottom = -1, count = 0;
    for (int y = 0; y < kSide; ++y)
      for (int x = 0; x < kSide; ++x) {
        const float* pixel = tensor.data() + (y * kSide + x) * 3;
        if (pixel[0] != 0) continue;
        ASSERT_EQ(pixel[1], 0);
        ASSERT_EQ(pixel[2], 0);
        ++count;
        left = std::min(left, x);
        right = std::max(right, x);
        top = std::min(top, y);
        bottom = std::max(bottom, y);
      }
    if (count == 0) continue;
    ++erased_pictures;
    const int width = right - left + 1, height = bottom - top + 1;
    ASSERT_EQ(count, width * height);
    smallest = std::min(smallest, static_cast<double>(count) / (kSide * kSide));
    largest = std::max(largest, static_cast<double>(count) / (kSide * kSide));
    EXPECT_GT(static_cast<double>(height) / width, 0.27);
    EXPECT_LT(static_cast<double>(height) / width, 3.6);
  }
  EXPECT_NEAR(erased_pictures, 200, 40);
  EXPECT_NEAR(smallest, 0.02, 0.01);
  EXPECT_NEAR(largest, 0.33, 0.02);
}

TEST(Augmentation, ColorJitterAndTrivialAugmentChangeWhatTheCropGave) {
  const DecodedImage image = testing::noise_image(7, 30, 30);
  Augmenter plain = augmenter_of({}, output_of(16, 16));
  Augmenter jittered = augmenter_of({.color_jitter = 0.4}, output_of(16, 16));
  Augmenter wide = augmenter_of({.auto_augment = AutoAugment::TaWide}, output_of(16, 16));
  int jittered_pictures = 0, wide_pictures = 0;
  for (uint32_t index = 0; index < 100; ++index) {
    const Pixels before = pixels_of(plain, image, 16, 16, 0, index);
    jittered_pictures += pixels_of(jittered, image, 16, 16, 0, index) != before;
    wide_pictures += pixels_of(wide, image, 16, 16, 0, index) != before;
  }
  EXPECT_GT(jittered_pictures, 95);
  EXPECT_NEAR(wide_pictures, 100 * 12 / 14, 15);  // identity changes nothing, autocontrast next to nothing
}

TEST(Augmentation, ReducingKeepsTwiceTheOutputsPixelsInTheCropThatIsDrawn) {
  constexpr int kWidth = 250, kHeight = 200, kScale = 8;
  const DecodedImage whole = ruler(kWidth, kHeight);
  Augmenter augmenter = augmenter_of({.flip = 0}, output_of(20, 20));
  std::set<int> answers;
  for (uint32_t index = 0; index < 300; ++index) {
    // Where a picture of that size is cropped, and how many of its pixels the crop has.
    const Pixels pixels = pixels_of(augmenter, whole, 20, 20, 0, index);
    const double width = (pixels[19 * 3] - pixels[0]) * 20 / 19.0,
                 height = (pixels[19 * 60 + 1] - pixels[1]) * 20 / 19.0;
    const int divisor = augmenter.reduce_by(kWidth, kHeight, 0, index);
    answers.insert(divisor);
    EXPECT_GE(width / divisor, 2 * 20 - 2) << divisor;
    EXPECT_GE(height / divisor, 2 * 20 - 2) << divisor;
    EXPECT_TRUE(divisor == 8 || std::min(width, height) / (2 * divisor) < 2 * 20 + 2) << divisor;
    EXPECT_EQ(augmenter.reduce_by(kWidth * kScale, kHeight * kScale, 0, index) >= std::min(8, divisor * kScale), true);
  }
  EXPECT_TRUE(answers.contains(1));
  EXPECT_TRUE(answers.contains(2));
  EXPECT_TRUE(answers.contains(4));
  Augmenter evaluation = augmenter_of({.crop = CropKind::None}, output_of(20, 20));
  EXPECT_EQ(evaluation.reduce_by(4000, 4000, 0, 0), 1);
}

TEST(Augmentation, ValuesOutsideTheirRangesAreNamed) {
  const auto refused = [](const AugmentSpec& spec, const char* what) {
    const Result<Augmenter> augmenter = Augmenter::create(spec, output_of(8, 8), 0);
    ASSERT_FALSE(augmenter.ok());
    EXPECT_EQ(augmenter.error().code, ErrorCode::InvalidArgument);
    EXPECT_NE(augmenter.error().message.find(what), std::string::npos) << augmenter.error().message;
  };
  refused({.scale_min = 0}, "crop");
  refused({.scale_min = 1.5}, "1.5");
  refused({.flip = -0.1}, "flip");
  refused({.color_jitter = 2}, "jitter");
  refused({.random_erase = std::nan("")}, "erasing");
}

TEST(Augmentation, APictureWithoutPixelsIsAnError) {
  Augmenter augmenter = augmenter_of({}, output_of(8, 8));
  Pixels pixels(8 * 8 * 3);
  EXPECT_EQ(augmenter.to_pixels({}, 0, 0, pixels).error().code, ErrorCode::InvalidArgument);
  std::vector<float> small(5);
  EXPECT_EQ(augmenter.to_tensor(ruler(9, 9).view, 0, 0, small).error().code, ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace resnetft
