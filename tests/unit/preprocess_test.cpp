// SPDX-License-Identifier: MIT
// The expected pixels are Pillow's and torchvision's, from data/preprocess (made by data/make_goldens.py).
#include "resnetft/preprocess.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>

#include "tests/support/golden_case.h"
#include "tests/support/picture.h"
#include "tests/support/temporary_folder.h"

namespace resnetft {
namespace {

using Json = nlohmann::json;
using testing::expect_close;
using testing::Picture;
using testing::Random;
using testing::spec_of;
const std::string kFolder = RESNETFT_TEST_DATA "/preprocess/";

ImageView view_of(const cv::Mat& bgr) {
  return {.format = PixelFormat::Bgr,
          .width = bgr.cols,
          .height = bgr.rows,
          .planes = {bgr.data},
          .strides = {static_cast<ptrdiff_t>(bgr.step[0])}};
}

std::vector<uint8_t> pixels_of(const PreprocessSpec& spec, const ImageView& view) {
  std::vector<uint8_t> pixels(static_cast<size_t>(spec.crop_width) * static_cast<size_t>(spec.crop_height) * 3);
  Result<Preprocessor> preprocessor = Preprocessor::create(spec);
  EXPECT_TRUE(preprocessor.ok()) << to_string(preprocessor.error());
  const Status status = preprocessor->to_pixels(view, pixels);
  EXPECT_TRUE(status.ok()) << to_string(status.error());
  return pixels;
}

std::vector<float> tensor_of(const PreprocessSpec& spec, const ImageView& view, TensorLayout layout) {
  std::vector<float> tensor(static_cast<size_t>(spec.crop_width) * static_cast<size_t>(spec.crop_height) * 3);
  Result<Preprocessor> preprocessor = Preprocessor::create(spec);
  EXPECT_TRUE(preprocessor.ok()) << to_string(preprocessor.error());
  const Status status = preprocessor->to_tensor(view, tensor, layout);
  EXPECT_TRUE(status.ok()) << to_string(status.error());
  return tensor;
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
    const bool jpeg = file.ends_with(".jpg");
    expect_close(test_case, pixels_of(spec_of(test_case), view_of(bgr)), jpeg ? 3 : 0, jpeg ? 0.5 : 1e-9);
    ++checked;
  }
  EXPECT_EQ(checked, 75);
}

TEST(Preprocess, AnOrientationInTheViewIsAsGoodAsADecoderThatTurnsTheFile) {
  const std::string file = kFolder + "exif_rotated.jpg";
  const cv::Mat turned = cv::imread(file, cv::IMREAD_COLOR);
  const cv::Mat stored = cv::imread(file, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  ASSERT_EQ(stored.cols, turned.rows);
  ImageView view = view_of(stored);
  view.orientation = Orientation::Rotate90Clockwise;
  EXPECT_EQ(pixels_of({}, view), pixels_of({}, view_of(turned)));
}

// The stored pixel that pixel x, y of the turned picture shows, from EXIF's description of where row 0 and column 0 of
// the stored picture are seen.
std::pair<int, int> stored_pixel(Orientation orientation, int x, int y, int width, int height) {
  const int right = width - 1, bottom = height - 1;  // of the stored picture
  switch (orientation) {
    case Orientation::Normal:
      return {x, y};
    case Orientation::FlipHorizontal:
      return {right - x, y};
    case Orientation::Rotate180:
      return {right - x, bottom - y};
    case Orientation::FlipVertical:
      return {x, bottom - y};
    case Orientation::Transpose:
      return {y, x};
    case Orientation::Rotate90Clockwise:
      return {y, bottom - x};
    case Orientation::Transverse:
      return {right - y, bottom - x};
    case Orientation::Rotate90CounterClockwise:
      return {right - y, x};
  }
  return {};
}

constexpr Orientation kOrientations[] = {Orientation::Normal,     Orientation::FlipHorizontal,
                                         Orientation::Rotate180,  Orientation::FlipVertical,
                                         Orientation::Transpose,  Orientation::Rotate90Clockwise,
                                         Orientation::Transverse, Orientation::Rotate90CounterClockwise};

// The region of a picture, converted, cut out and turned the slow way.
Picture turned_copy(const Picture& source) {
  const ImageView& view = source.view;
  ImageView whole = view;
  whole.region = {};
  whole.orientation = Orientation::Normal;
  const std::vector<uint8_t> rgb =
      pixels_of({.resize = 0, .crop_width = view.width, .crop_height = view.height}, whole);
  const Region& region = view.region;
  const bool swapped = view.orientation >= Orientation::Transpose;
  const int width = swapped ? region.height : region.width, height = swapped ? region.width : region.height;
  Picture turned = testing::make_picture(PixelFormat::Rgb, width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const auto [stored_x, stored_y] = stored_pixel(view.orientation, x, y, region.width, region.height);
      for (int c = 0; c < 3; ++c)
        *testing::byte_at(turned, 0, y, x * 3 + c) =
            rgb[static_cast<size_t>(((region.y + stored_y) * view.width + region.x + stored_x) * 3 + c)];
    }
  return turned;
}

TEST(Preprocess, RegionAndOrientationEqualCuttingThePictureFirstAndThenTurningIt) {
  Random random(2);
  for (const PixelFormat format : {PixelFormat::Rgb, PixelFormat::Bgrx, PixelFormat::Gray8, PixelFormat::Nv12,
                                   PixelFormat::Yv12, PixelFormat::Uyvy})
    for (const Orientation orientation : kOrientations)
      for (const Region& region :
           {Region{0, 0, 61, 43}, Region{3, 5, 40, 21}, Region{60, 42, 1, 1}, Region{7, 2, 54, 41}})
        for (const ResizeMode mode : {ResizeMode::Crop, ResizeMode::Stretch, ResizeMode::Letterbox}) {
          Picture picture = testing::random_picture(random, format, 61, 43);
          picture.view.orientation = orientation;
          picture.view.region = region;
          const PreprocessSpec spec = {.mode = mode, .resize = 18, .crop_width = 17, .crop_height = 15};
          EXPECT_EQ(pixels_of(spec, picture.view), pixels_of(spec, turned_copy(picture).view))
              << "format " << static_cast<int>(format) << " orientation " << static_cast<int>(orientation) << " region "
              << region.x << "," << region.y << " mode " << static_cast<int>(mode);
        }
}

// A row of pixels of one value each.
Picture gray_row(std::vector<uint8_t> values) {
  Picture picture = testing::make_picture(PixelFormat::Gray8, static_cast<int>(values.size()), 1);
  picture.planes[0] = std::move(values);
  picture.view.planes[0] = picture.planes[0].data();
  return picture;
}

std::vector<int> reds(const std::vector<uint8_t>& pixels) {
  std::vector<int> values;
  for (size_t i = 0; i < pixels.size(); i += 3) values.push_back(pixels[i]);
  return values;
}

TEST(Preprocess, ResizeZeroKeepsThePixelsAndCropsTheirCentreRoundingHalfToEven) {
  const Picture picture = gray_row({1, 2, 3, 4, 5, 6, 7});
  const auto cropped = [&](int width) {
    return reds(pixels_of({.resize = 0, .crop_width = width, .crop_height = 1}, picture.view));
  };
  EXPECT_EQ(cropped(3), (std::vector{3, 4, 5}));
  EXPECT_EQ(cropped(4), (std::vector{3, 4, 5, 6}));  // 1.5 is rounded to 2
  EXPECT_EQ(cropped(2), (std::vector{3, 4}));        // 2.5 is rounded to 2
}

TEST(Preprocess, ACropLargerThanThePictureIsPaddedBlackWithTheOddPixelBehind) {
  const Picture picture = gray_row({7, 8});
  const PreprocessSpec spec = {.resize = 0, .crop_width = 5, .crop_height = 4};
  EXPECT_EQ(reds(pixels_of(spec, picture.view)),
            (std::vector{0, 0, 0, 0, 0, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(Preprocess, ACropMayBeWiderAndLowerThanThePictureAtOnce) {
  Picture picture = testing::make_picture(PixelFormat::Gray8, 1, 3);
  picture.planes[0] = {7, 8, 9};
  picture.view.planes[0] = picture.planes[0].data();
  EXPECT_EQ(reds(pixels_of({.resize = 0, .crop_width = 3, .crop_height = 1}, picture.view)), (std::vector{0, 8, 0}));
}

// Which rows are read depends on where the crop begins; what they give must not.
TEST(Preprocess, ACropHoldsThePixelsOfTheMiddleOfTheWholeResizedPicture) {
  Random random(7);
  for (const Interpolation interpolation : {Interpolation::Bilinear, Interpolation::Bicubic})
    for (int side = 1; side <= 12; ++side)
      for (int resize = 1; resize <= 40; ++resize) {
        const Picture picture = testing::random_picture(random, PixelFormat::Gray8, side, side);
        PreprocessSpec spec = {
            .interpolation = interpolation, .resize = resize, .crop_width = resize, .crop_height = resize};
        const std::vector<uint8_t> whole = pixels_of(spec, picture.view);
        for (int crop = resize - 2; crop >= 1; crop -= 2) {
          spec.crop_width = spec.crop_height = crop;
          const std::vector<uint8_t> middle = pixels_of(spec, picture.view);
          const int skipped = (resize - crop) / 2;
          for (int y = 0; y < crop; ++y)
            ASSERT_TRUE(std::equal(middle.begin() + y * crop * 3, middle.begin() + (y + 1) * crop * 3,
                                   whole.begin() + ((y + skipped) * resize + skipped) * 3))
                << side << " to " << resize << ", crop " << crop << ", row " << y;
        }
      }
}

TEST(Preprocess, PaddingIsNormalisedAsBlackPixelsAre) {
  const Picture picture = gray_row({255});
  const PreprocessSpec spec = {
      .resize = 0, .crop_width = 2, .crop_height = 1, .mean = {0.5f, 0.5f, 0.5f}, .std = {0.5f, 1, 2}};
  EXPECT_EQ(tensor_of(spec, picture.view, TensorLayout::Nchw), (std::vector<float>{1, -1, 0.5f, -0.5f, 0.25f, -0.25f}));
}

TEST(Preprocess, LetterboxFitsTheWholePictureAndFillsTheRestWithTheMeanColour) {
  const Picture picture = gray_row({200, 200, 200, 200});
  PreprocessSpec spec = {.mode = ResizeMode::Letterbox, .crop_width = 8, .crop_height = 5, .mean = {0.2f, 0.4f, 2.0f}};
  const std::vector<uint8_t> pixels = pixels_of(spec, picture.view);
  const std::vector<uint8_t> mean = {51, 102, 255}, full = {200, 200, 200};
  for (int y = 0; y < 5; ++y)
    for (int x = 0; x < 8; ++x) {
      const auto at = pixels.begin() + (y * 8 + x) * 3;
      EXPECT_EQ(std::vector<uint8_t>(at, at + 3), y == 1 || y == 2 ? full : mean) << x << "," << y;
    }
}

TEST(Preprocess, LetterboxOfATallPictureLeavesEqualBarsLeftAndRight) {
  Picture picture = testing::make_picture(PixelFormat::Gray8, 3, 6);
  std::fill(picture.planes[0].begin(), picture.planes[0].end(), uint8_t{9});
  const PreprocessSpec spec = {.mode = ResizeMode::Letterbox, .crop_width = 4, .crop_height = 4, .mean = {0, 0, 0}};
  EXPECT_EQ(reds(pixels_of(spec, picture.view)), (std::vector{0, 9, 9, 0, 0, 9, 9, 0, 0, 9, 9, 0, 0, 9, 9, 0}));
}

// 3 to 4 makes 2 to 2.67, of which 3 are shown and one is left over, behind.
TEST(Preprocess, LetterboxRoundsTheShortSideToTheNearestPixel) {
  Picture picture = testing::make_picture(PixelFormat::Gray8, 2, 3);
  std::fill(picture.planes[0].begin(), picture.planes[0].end(), uint8_t{9});
  const PreprocessSpec spec = {.mode = ResizeMode::Letterbox, .crop_width = 4, .crop_height = 4, .mean = {0, 0, 0}};
  const std::vector<int> values = reds(pixels_of(spec, picture.view));
  EXPECT_EQ(std::vector<int>(values.begin(), values.begin() + 4), (std::vector{9, 9, 9, 0}));
}

TEST(Preprocess, LetterboxOfAThreadOfAPictureLeavesOneLineOfIt) {
  Picture picture = testing::make_picture(PixelFormat::Gray8, 1000, 1);
  std::fill(picture.planes[0].begin(), picture.planes[0].end(), uint8_t{9});
  const PreprocessSpec spec = {.mode = ResizeMode::Letterbox, .crop_width = 1, .crop_height = 3, .mean = {0, 0, 0}};
  EXPECT_EQ(reds(pixels_of(spec, picture.view)), (std::vector{0, 9, 0}));
}

TEST(Preprocess, StretchUsesBothSidesOfTheCropAndIgnoresResize) {
  const Picture picture = gray_row({10, 30});
  const PreprocessSpec spec = {.mode = ResizeMode::Stretch, .resize = 500, .crop_width = 1, .crop_height = 2};
  EXPECT_EQ(reds(pixels_of(spec, picture.view)), (std::vector{20, 20}));
}

// Worked out by hand: two pixels to four lie at 0.25, 0.75, 1.25, 1.75, so the inner ones are 3/4 and 1/4.
TEST(Preprocess, BilinearEnlargingWeighsByDistance) {
  const Picture picture = gray_row({0, 200});
  const PreprocessSpec spec = {.mode = ResizeMode::Stretch, .crop_width = 4, .crop_height = 1};
  EXPECT_EQ(reds(pixels_of(spec, picture.view)), (std::vector{0, 50, 150, 200}));
}

TEST(Preprocess, EveryFloatIsValueOver255MinusMeanOverStdToTheBit) {
  std::vector<uint8_t> values(256);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint8_t>(i);
  const Picture picture = gray_row(values);
  const PreprocessSpec spec = {.resize = 0, .crop_width = 256, .crop_height = 1};
  const std::vector<float> planes = tensor_of(spec, picture.view, TensorLayout::Nchw);
  const std::vector<float> pixels = tensor_of(spec, picture.view, TensorLayout::Nhwc);
  for (size_t c = 0; c < 3; ++c)
    for (size_t i = 0; i < 256; ++i) {
      const float scaled = static_cast<float>(i) / 255.0f;
      const float expected = (scaled - spec.mean[c]) / spec.std[c];
      EXPECT_EQ(planes[c * 256 + i], expected);
      EXPECT_EQ(pixels[i * 3 + c], expected);
    }
}

TEST(Preprocess, BothLayoutsHoldThePixelsOfToPixels) {
  Random random(3);
  const Picture picture = testing::random_picture(random, PixelFormat::Rgba, 50, 40);
  const PreprocessSpec spec = {.resize = 20, .crop_width = 23, .crop_height = 18};
  const std::vector<uint8_t> pixels = pixels_of(spec, picture.view);
  const std::vector<float> nchw = tensor_of(spec, picture.view, TensorLayout::Nchw);
  const std::vector<float> nhwc = tensor_of(spec, picture.view, TensorLayout::Nhwc);
  for (size_t i = 0; i < pixels.size() / 3; ++i)
    for (size_t c = 0; c < 3; ++c) {
      const float expected = (static_cast<float>(pixels[i * 3 + c]) / 255.0f - spec.mean[c]) / spec.std[c];
      ASSERT_EQ(nchw[c * pixels.size() / 3 + i], expected);
      ASSERT_EQ(nhwc[i * 3 + c], expected);
    }
}

TEST(Preprocess, OnePreprocessorTakesPicturesOfChangingSizeAndFormat) {
  Random random(4);
  Result<Preprocessor> reused = Preprocessor::create({.resize = 20, .crop_width = 16, .crop_height = 16});
  ASSERT_TRUE(reused.ok());
  std::vector<uint8_t> pixels(16 * 16 * 3);
  for (int i = 0; i < 200; ++i) {
    Picture picture = testing::random_picture(random, static_cast<PixelFormat>(testing::draw(random, 0, 16)),
                                              testing::draw(random, 1, 90), testing::draw(random, 1, 90));
    picture.view.orientation = static_cast<Orientation>(testing::draw(random, 1, 8));
    ASSERT_TRUE(reused->to_pixels(picture.view, pixels).ok());
    ASSERT_EQ(pixels, pixels_of(reused->spec(), picture.view)) << i;
  }
}

struct BadSpec {
  const char* what;
  PreprocessSpec spec;
  const char* named;
};

// The mean of each two rows, 0.5 rounded up, then of each two columns, 0.5 rounded down.
Picture halved(const Picture& picture) {
  const int width = picture.view.width / 2, height = picture.view.height / 2;
  Picture half = testing::make_picture(PixelFormat::Rgb, width, height);
  const auto value = [&](int y, int byte) { return picture.view.planes[0][y * picture.view.strides[0] + byte]; };
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int channel = 0; channel < 3; ++channel) {
        const int left = x * 6 + channel, right = left + 3;
        const int in_left = (value(2 * y, left) + value(2 * y + 1, left) + 1) / 2;
        const int in_right = (value(2 * y, right) + value(2 * y + 1, right) + 1) / 2;
        *testing::byte_at(half, 0, y, x * 3 + channel) = static_cast<uint8_t>((in_left + in_right) / 2);
      }
  return half;
}

TEST(Preprocess, AReducingGapAveragesPairsOfRowsAndColumnsFirst) {
  testing::Random random(9);
  const Picture picture = testing::random_picture(random, PixelFormat::Rgb, 64, 48);
  const auto pixels = [](const Picture& source, int side, double gap) {
    const PreprocessSpec spec{.mode = ResizeMode::Stretch, .crop_width = side, .crop_height = side};
    std::vector<uint8_t> made(static_cast<size_t>(side * side * 3));
    EXPECT_TRUE(Preprocessor::create(spec, gap)->to_pixels(source.view, made).ok());
    return made;
  };
  const std::vector<uint8_t> of_half = pixels(halved(picture), 12, 0);
  EXPECT_EQ(pixels(picture, 12, 2), of_half);  // 64 and 48 are 5.3 and 4 times 12: halved once
  EXPECT_NE(pixels(picture, 12, 0), of_half);
  EXPECT_EQ(pixels(picture, 12, 4), pixels(picture, 12, 0));  // it would leave 2.7 and 2 times as much
}

TEST(Preprocess, AReducingGapIsOneOrMore) {
  for (const double gap : {-1.0, 0.5, std::numeric_limits<double>::quiet_NaN()}) {
    const Result<Preprocessor> made = Preprocessor::create({}, gap);
    ASSERT_FALSE(made.ok()) << gap;
    EXPECT_EQ(made.error().code, ErrorCode::InvalidArgument) << gap;
  }
}

TEST(Preprocess, ASpecThatIsNeverRightIsRefusedByItsValue) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const BadSpec& bad :
       {BadSpec{"no crop", {.crop_width = 0}, "0x224"}, BadSpec{"huge crop", {.crop_height = 32769}, "224x32769"},
        BadSpec{"negative resize", {.resize = -1}, "-1"}, BadSpec{"huge resize", {.resize = 32769}, "32769"},
        BadSpec{"no deviation", {.std = {1, 0, 1}}, "std 0"},
        BadSpec{"negative deviation", {.std = {1, 1, -2}}, "std -2"},
        BadSpec{"infinite deviation", {.std = {infinity, 1, 1}}, "std inf"},
        BadSpec{"mean that is no number", {.mean = {0, std::nanf(""), 0}}, "mean nan"}}) {
    const Result<Preprocessor> result = Preprocessor::create(bad.spec);
    ASSERT_FALSE(result.ok()) << bad.what;
    EXPECT_EQ(result.error().code, ErrorCode::InvalidArgument) << bad.what;
    EXPECT_NE(result.error().message.find(bad.named), std::string::npos) << result.error().message;
  }
}

template <class Change>
void expect_refused(const Change& change, const char* named) {
  Picture picture = testing::make_picture(PixelFormat::Nv12, 8, 6);
  change(picture.view);
  Result<Preprocessor> preprocessor = Preprocessor::create({.crop_width = 4, .crop_height = 4});
  std::vector<uint8_t> pixels(4 * 4 * 3);
  const Status status = preprocessor->to_pixels(picture.view, pixels);
  ASSERT_FALSE(status.ok()) << named;
  EXPECT_EQ(status.error().code, ErrorCode::InvalidArgument);
  EXPECT_NE(status.error().message.find(named), std::string::npos) << status.error().message;
  EXPECT_FALSE(status.error().hint.empty());
}

TEST(Preprocess, APictureThatMakesNoSenseIsRefusedByItsValue) {
  expect_refused([](ImageView& view) { view.width = 0; }, "0x6");
  expect_refused([](ImageView& view) { view.height = 32769; }, "8x32769");
  expect_refused([](ImageView& view) { view.planes[0] = nullptr; }, "plane 0");
  expect_refused([](ImageView& view) { view.planes[1] = nullptr; }, "plane 1");
  expect_refused([](ImageView& view) { view.strides[0] = 7; }, "stride 7");
  expect_refused([](ImageView& view) { view.strides[1] = -7; }, "stride -7");
  expect_refused([](ImageView& view) { view.region = {1, 0, 8, 6}; }, "8x6 at 1,0");
  expect_refused([](ImageView& view) { view.memory = {MemoryKind::Cuda, 1, nullptr}; }, "memory of GPU 1");
  expect_refused([](ImageView& view) { view.memory.kind = static_cast<MemoryKind>(2); }, "memory of kind number 2");
  expect_refused([](ImageView& view) { view.region = {0, -1, 2, 2}; }, "at 0,-1");
  expect_refused([](ImageView& view) { view.region = {4, 4, 2147483647, 1}; }, "2147483647x1");
  expect_refused([](ImageView& view) { view.region = {0, 0, -2, 2}; }, "-2x2");
  expect_refused([](ImageView& view) { view.orientation = Orientation{0}; }, "orientation 0");
  expect_refused([](ImageView& view) { view.orientation = Orientation{9}; }, "orientation 9");
  expect_refused([](ImageView& view) { view.format = static_cast<PixelFormat>(17); }, "pixel format number 17");
  expect_refused([](ImageView& view) { view.matrix = static_cast<ColorMatrix>(3); }, "matrix number 3");
}

TEST(Preprocess, AnOutputOfTheWrongSizeIsRefusedWithTheRightOne) {
  const Picture picture = testing::make_picture(PixelFormat::Rgb, 8, 6);
  Result<Preprocessor> preprocessor = Preprocessor::create({.crop_width = 4, .crop_height = 4});
  std::vector<float> tensor(47);
  const Status status = preprocessor->to_tensor(picture.view, tensor);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("47"), std::string::npos);
  EXPECT_NE(status.error().hint.find("48"), std::string::npos);
}

}  // namespace
}  // namespace resnetft
