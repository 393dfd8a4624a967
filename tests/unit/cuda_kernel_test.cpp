// SPDX-License-Identifier: MIT
// The text of the CUDA kernels, compiled for the host and run block by block. The arithmetic is the CPU's own, so that
// the bits must be equal; what only a GPU can show, tests/gpu does.
#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "data/image_file.h"
#include "device/cuda/mixup_kernel.h"
#include "tests/support/augmented_case.h"
#include "tests/support/golden_case.h"
#include "tests/support/host_frame_kernel.h"
#include "tests/support/mixed_batch.h"

namespace resnetft {
namespace {

using testing::host_kernel_output;
using testing::PreprocessCase;
using testing::Random;

std::vector<float> cpu_tensor(const PreprocessSpec& spec, const ImageView& image) {
  std::vector<float> tensor(static_cast<size_t>(spec.crop_width) * static_cast<size_t>(spec.crop_height) * 3);
  Result<Preprocessor> preprocessor = Preprocessor::create(spec);
  const Status status = preprocessor->to_tensor(image, tensor, TensorLayout::Nhwc);
  EXPECT_TRUE(status.ok()) << to_string(status.error());
  return tensor;
}

std::vector<float> kernel_tensor(const PreprocessSpec& spec, const ImageView& image) {
  return host_kernel_output<float>(spec, NumberType::Float32, image);
}

TEST(FrameKernel, GivesTheCpusBitsInTenThousandRandomCases) {
  Random random(21);
  for (int i = 0; i < 10000; ++i) {
    const PreprocessCase test_case = testing::random_case(random);
    const ImageView& view = test_case.picture.view;
    ASSERT_EQ(kernel_tensor(test_case.spec, view), cpu_tensor(test_case.spec, view)) << i << ": " << test_case.text();
  }
}

TEST(FrameKernel, GivesTheCpusBitsOnAFullFrameOfEachFormat) {
  Random random(22);
  for (int format = 0; format <= static_cast<int>(PixelFormat::Uyvy); ++format) {
    PreprocessCase test_case;
    test_case.picture = testing::random_picture(random, static_cast<PixelFormat>(format), 641, 363);
    EXPECT_EQ(kernel_tensor(test_case.spec, test_case.picture.view), cpu_tensor(test_case.spec, test_case.picture.view))
        << test_case.text();
  }
}

// PyTorch's own antialiased resize on CUDA refuses reductions as strong as these.
TEST(FrameKernel, ReducesAndEnlargesByAnyRatioWithTheCpusBits) {
  Random random(23);
  struct Sizes {
    int width, height, crop_width, crop_height;
  };
  for (const Sizes& sizes : {Sizes{8192, 96, 32, 32}, {96, 8192, 32, 32}, {2048, 2048, 3, 1}, {3, 2, 301, 207}})
    for (const Interpolation interpolation : {Interpolation::Bilinear, Interpolation::Bicubic}) {
      PreprocessCase test_case;
      test_case.spec = {.mode = ResizeMode::Stretch,
                        .interpolation = interpolation,
                        .crop_width = sizes.crop_width,
                        .crop_height = sizes.crop_height};
      test_case.picture = testing::random_picture(random, PixelFormat::Nv12, sizes.width, sizes.height);
      EXPECT_EQ(kernel_tensor(test_case.spec, test_case.picture.view),
                cpu_tensor(test_case.spec, test_case.picture.view))
          << test_case.text();
    }
}

// [crop, crop, 3] bytes.
std::vector<uint8_t> kernel_pixels(PreprocessSpec spec, const ImageView& image) {
  spec.mean = {0, 0, 0};
  spec.std = {1, 1, 1};
  std::vector<uint8_t> pixels;
  for (const float value : kernel_tensor(spec, image))
    pixels.push_back(static_cast<uint8_t>(std::lround(value * 255.0f)));
  return pixels;
}

TEST(FrameKernel, AgreesWithPillowOnTheGoldenPictures) {
  const std::string folder = RESNETFT_TEST_DATA "/preprocess/";
  const nlohmann::json golden = nlohmann::json::parse(std::ifstream(folder + "cases.json"));
  int checked = 0;
  for (const nlohmann::json& test_case : golden.at("cases")) {
    const std::string file = test_case.at("file");
    if (file == "cmyk.jpg") continue;  // OpenCV's conversion differs from Pillow's
    const Result<DecodedImage> image = read_image_file(folder + file);
    ASSERT_TRUE(image.ok()) << to_string(image.error());
    const bool jpeg = file.ends_with(".jpg");
    testing::expect_close(test_case, kernel_pixels(testing::spec_of(test_case), image->view), jpeg ? 3 : 0,
                          jpeg ? 0.5 : 1e-9);
    ++checked;
  }
  EXPECT_GT(checked, 50);
}

TEST(FrameKernel, StoresHalfAndBfloat16AsTheRoundedFloats) {
  Random random(24);
  for (int i = 0; i < 200; ++i) {
    const PreprocessCase test_case = testing::random_case(random);
    const ImageView& view = test_case.picture.view;
    const std::vector<float> floats = cpu_tensor(test_case.spec, view);
    const auto halfs = host_kernel_output<uint16_t>(test_case.spec, NumberType::Float16, view);
    const auto bfloats = host_kernel_output<uint16_t>(test_case.spec, NumberType::BFloat16, view);
    for (size_t at = 0; at < floats.size(); ++at) {
      ASSERT_EQ(halfs[at], std::bit_cast<uint16_t>(static_cast<_Float16>(floats[at]))) << test_case.text();
      ASSERT_EQ(bfloats[at], bfloat16_of(floats[at])) << test_case.text();
    }
  }
}

TEST(FrameKernel, DoesWhatTheAugmenterDrewWithTheCpusBits) {
  Random random(25);
  int flipped = 0, shifted = 0, erased = 0;
  for (uint32_t i = 0; i < 3000; ++i) {
    const testing::AugmentedCase test_case = testing::random_augmented_case(random, i);
    const AugmentDraw& drawn = test_case.drawn;
    ASSERT_EQ(host_kernel_output<float>(drawn.spec, NumberType::Float32, test_case.part(), drawn.change),
              test_case.expected)
        << i << ": " << test_case.base.text();
    flipped += drawn.change.flip;
    shifted += drawn.change.shift_x != 0;
    erased += drawn.change.erased.width > 0;
  }
  EXPECT_GT(flipped, 1000);
  EXPECT_GT(shifted, 300);
  EXPECT_GT(erased, 300);
}

TEST(FrameKernel, AugmentationOfColoursIsRefused) {
  Random random(26);
  const testing::Picture picture = testing::random_picture(random, PixelFormat::Rgb, 9, 9);
  for (const AugmentSpec& spec : {AugmentSpec{.color_jitter = 0.1}, AugmentSpec{.auto_augment = AutoAugment::TaWide}}) {
    const Result<AugmentDraw> drawn = Augmenter::create(spec, {}, 1)->draw(picture.view, 0, 0);
    ASSERT_FALSE(drawn.ok());
    EXPECT_EQ(drawn.error().code, ErrorCode::Incompatible);
  }
}

TEST(FramePlan, KeepsItsTablesForPicturesOfOneShape) {
  Random random(27);
  const testing::Picture one = testing::random_picture(random, PixelFormat::Nv12, 64, 48);
  const testing::Picture same = testing::random_picture(random, PixelFormat::Rgba, 64, 48);
  testing::Picture turned = testing::random_picture(random, PixelFormat::Rgba, 64, 48);
  turned.view.orientation = Orientation::Rotate90Clockwise;
  FramePlan plan({}, NumberType::Float16);
  EXPECT_TRUE(plan.prepare(one.view));
  EXPECT_FALSE(plan.prepare(same.view));
  EXPECT_TRUE(plan.prepare(turned.view));
}

TEST(NumberBits, EveryHalfIsTheCompilersAndComesBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    if ((half & 0x7c00) == 0x7c00 && (half & 0x3ff) != 0) continue;  // NaN
    const float value = float_of_half(half);
    ASSERT_EQ(value, static_cast<float>(std::bit_cast<_Float16>(half))) << bits;
    ASSERT_EQ(half_of(value), half) << bits;
  }
}

TEST(NumberBits, FloatsAreRoundedToHalfsAsTheCompilerRoundsThem) {
  std::mt19937 random(28);
  for (int i = 0; i < 1000000; ++i) {
    const auto magnitude = static_cast<uint32_t>(0x32000000 + random() % 0x16000000);  // from underflow to overflow
    const float value = std::bit_cast<float>(i % 2 == 0 ? magnitude : magnitude | 0x80000000);
    ASSERT_EQ(half_of(value), std::bit_cast<uint16_t>(static_cast<_Float16>(value))) << value;
  }
}

// The nearest of the two neighbours, found in double precision; the even one where both are as near.
TEST(NumberBits, FloatsAreRoundedToTheNearestBfloat16) {
  std::mt19937 random(29);
  for (int i = 0; i < 1000000; ++i) {
    const auto bits = static_cast<uint32_t>(random() % 0x7f000000);
    const auto low = static_cast<uint16_t>(bits >> 16), high = static_cast<uint16_t>(low + 1);
    const double value = std::bit_cast<float>(bits), down = value - static_cast<double>(float_of_bfloat16(low)),
                 up = static_cast<double>(float_of_bfloat16(high)) - value;
    const uint16_t nearest = down < up ? low : up < down ? high : low % 2 == 0 ? low : high;
    ASSERT_EQ(bfloat16_of(std::bit_cast<float>(bits)), nearest) << bits;
  }
}

template <class Numbers>
void mix(std::vector<typename Numbers::Stored>& pictures, size_t count, double keep) {
  const auto values = static_cast<int64_t>(pictures.size() / count);
  for (int64_t place = 0; place < values; ++place)
    mix_place<Numbers>(pictures.data(), static_cast<int64_t>(count), values, place, static_cast<float>(keep),
                       static_cast<float>(1 - keep));
}

template <class Numbers>
void expect_mixed(double tolerance) {
  std::mt19937 random(30);
  for (const size_t count : {1u, 2u, 7u})
    for (const double keep : {0.0, 0.3, 1.0}) {
      std::vector<typename Numbers::Stored> stored(count * 30);
      std::vector<float> floats;
      for (auto& number : stored) {
        number = Numbers::store(std::uniform_real_distribution<float>(-2, 2)(random));
        floats.push_back(Numbers::load(number));
      }
      mix<Numbers>(stored, count, keep);
      const std::vector<double> expected = testing::mixed_batch(floats, count, keep);
      for (size_t i = 0; i < stored.size(); ++i) EXPECT_NEAR(Numbers::load(stored[i]), expected[i], tolerance);
    }
}

// Half a step of the last bit of numbers up to 2.
TEST(MixupKernel, MixesEachPictureWithTheOneBefore) {
  expect_mixed<Float32Numbers>(4e-7);
  expect_mixed<Float16Numbers>(1e-3);
  expect_mixed<BFloat16Numbers>(8e-3);
}

}  // namespace
}  // namespace resnetft
