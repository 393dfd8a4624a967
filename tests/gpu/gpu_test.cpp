// SPDX-License-Identifier: MIT
// What the kernels do on a real GPU, against the CPU: the bits must be equal, for the arithmetic is the same. Without
// a GPU everything is skipped, loudly; RESNETFT_REQUIRE_GPU=1 makes that a failure.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <thread>

#include "device/cuda/number_bits.h"
#include "device/cuda_module.h"
#include "device/device_choice.h"
#include "tests/gpu/gpu_required.h"
#include "tests/support/augmented_case.h"
#include "tests/support/mixed_batch.h"

namespace resnetft {
namespace {

using testing::PreprocessCase;
using testing::Random;

// The GPU's memory, for numbers of one kind.
template <class Number>
class GpuNumbers {
 public:
  explicit GpuNumbers(size_t count) : count_(count) {
    EXPECT_EQ(cudaMalloc(&data_, count * sizeof(Number)), cudaSuccess);
  }
  ~GpuNumbers() { cudaFree(data_); }
  GpuNumbers(const GpuNumbers&) = delete;
  GpuNumbers& operator=(const GpuNumbers&) = delete;

  void* data() const { return data_; }
  void fill(const std::vector<Number>& numbers) {
    EXPECT_EQ(cudaMemcpy(data_, numbers.data(), count_ * sizeof(Number), cudaMemcpyHostToDevice), cudaSuccess);
  }
  std::vector<Number> read() const {
    std::vector<Number> numbers(count_);
    EXPECT_EQ(cudaMemcpy(numbers.data(), data_, count_ * sizeof(Number), cudaMemcpyDeviceToHost), cudaSuccess);
    return numbers;
  }

 private:
  size_t count_;
  void* data_ = nullptr;
};

size_t values_of(const PreprocessSpec& spec) {
  return static_cast<size_t>(spec.crop_width) * static_cast<size_t>(spec.crop_height) * 3;
}

class Gpu : public ::testing::Test {
 protected:
  void SetUp() override { RESNETFT_NEEDS_GPU(choose_device("cuda")); }

  static std::unique_ptr<CudaPreprocessor> preprocessor_of(const PreprocessSpec& spec, NumberType number) {
    Result<std::unique_ptr<CudaPreprocessor>> made = (*cuda_module())->create_preprocessor({spec, number});
    EXPECT_TRUE(made.ok()) << to_string(made.error());
    return std::move(*made);
  }

  template <class Number>
  static std::vector<Number> gpu_output(CudaPreprocessor& preprocessor, const PreprocessSpec& spec,
                                        const ImageView& image, const FrameChange& change = {}) {
    GpuNumbers<Number> output(values_of(spec));
    output.fill(std::vector<Number>(values_of(spec), Number{77}));
    const Result<ImageView> copy = preprocessor.upload(image);
    EXPECT_TRUE(copy.ok()) << to_string(copy.error());
    const Status run = preprocessor.run(*copy, change, output.data());
    EXPECT_TRUE(run.ok()) << to_string(run.error());
    const Status done = preprocessor.wait();
    EXPECT_TRUE(done.ok()) << to_string(done.error());
    return output.read();
  }

  static std::vector<float> cpu_output(const PreprocessSpec& spec, const ImageView& image) {
    std::vector<float> tensor(values_of(spec));
    EXPECT_TRUE(Preprocessor::create(spec)->to_tensor(image, tensor, TensorLayout::Nhwc).ok());
    return tensor;
  }

  static void expect_equal(const PreprocessCase& test_case) {
    const ImageView& view = test_case.picture.view;
    const auto preprocessor = preprocessor_of(test_case.spec, NumberType::Float32);
    ASSERT_EQ(gpu_output<float>(*preprocessor, test_case.spec, view), cpu_output(test_case.spec, view))
        << test_case.text();
  }
};

TEST_F(Gpu, PreprocessesWithTheCpusBitsInThousandsOfRandomCases) {
  Random random(41);
  for (int i = 0; i < 3000 && !HasFatalFailure(); ++i) expect_equal(testing::random_case(random));
}

TEST_F(Gpu, PreprocessesAFullHdFrameOfEachFormatWithTheCpusBits) {
  Random random(42);
  for (int format = 0; format <= static_cast<int>(PixelFormat::Uyvy); ++format) {
    PreprocessCase test_case;
    test_case.picture = testing::random_picture(random, static_cast<PixelFormat>(format), 1920, 1080);
    expect_equal(test_case);
  }
}

TEST_F(Gpu, ReducesAndEnlargesByAnyRatioWithTheCpusBits) {
  Random random(43);
  struct Sizes {
    int width, height, crop_width, crop_height;
  };
  for (const Sizes& sizes : {Sizes{8192, 8192, 32, 32}, {32768, 16, 1, 1}, {16, 32768, 1, 1}, {3, 2, 1000, 700}})
    for (const Interpolation interpolation : {Interpolation::Bilinear, Interpolation::Bicubic}) {
      PreprocessCase test_case;
      test_case.spec = {.mode = ResizeMode::Stretch,
                        .interpolation = interpolation,
                        .crop_width = sizes.crop_width,
                        .crop_height = sizes.crop_height};
      test_case.picture = testing::random_picture(random, PixelFormat::Nv12, sizes.width, sizes.height);
      expect_equal(test_case);
    }
}

TEST_F(Gpu, StoresHalfAndBfloat16AsTheRoundedFloats) {
  Random random(44);
  for (int i = 0; i < 200; ++i) {
    const PreprocessCase test_case = testing::random_case(random);
    const ImageView& view = test_case.picture.view;
    const std::vector<float> floats = cpu_output(test_case.spec, view);
    const auto halfs =
        gpu_output<uint16_t>(*preprocessor_of(test_case.spec, NumberType::Float16), test_case.spec, view);
    const auto bfloats =
        gpu_output<uint16_t>(*preprocessor_of(test_case.spec, NumberType::BFloat16), test_case.spec, view);
    for (size_t at = 0; at < floats.size(); ++at) {
      ASSERT_EQ(halfs[at], half_of(floats[at])) << test_case.text();
      ASSERT_EQ(bfloats[at], bfloat16_of(floats[at])) << test_case.text();
    }
  }
}

TEST_F(Gpu, AugmentsAsTheAugmenterDrewWithTheCpusBits) {
  Random random(45);
  for (uint32_t i = 0; i < 1000; ++i) {
    const testing::AugmentedCase test_case = testing::random_augmented_case(random, i);
    const AugmentDraw& drawn = test_case.drawn;
    const auto preprocessor = preprocessor_of(drawn.spec, NumberType::Float32);
    ASSERT_EQ(gpu_output<float>(*preprocessor, drawn.spec, test_case.part(), drawn.change), test_case.expected)
        << i << ": " << test_case.base.text();
  }
}

// One preprocessor for a stream whose pictures change shape: tables and copies are replaced while the GPU works.
TEST_F(Gpu, OneStreamTakesPicturesOfChangingShapes) {
  Random random(46);
  const PreprocessSpec spec;
  const auto preprocessor = preprocessor_of(spec, NumberType::Float32);
  for (int i = 0; i < 200; ++i) {
    const PreprocessCase test_case = testing::random_case(random);
    const ImageView& view = test_case.picture.view;
    ASSERT_EQ(gpu_output<float>(*preprocessor, spec, view), cpu_output(spec, view)) << i << ": " << test_case.text();
  }
}

TEST_F(Gpu, MixesEachPictureWithTheOneBefore) {
  Random random(47);
  const PreprocessSpec spec = {.crop_width = 37, .crop_height = 41};
  constexpr size_t kCount = 5;
  std::vector<float> pictures(kCount * values_of(spec));
  for (float& value : pictures) value = std::uniform_real_distribution<float>(-2, 2)(random);
  GpuNumbers<float> batch(pictures.size());
  batch.fill(pictures);
  const auto preprocessor = preprocessor_of(spec, NumberType::Float32);
  ASSERT_TRUE(preprocessor->mixup(batch.data(), kCount, 0.3).ok());
  ASSERT_TRUE(preprocessor->wait().ok());
  const std::vector<float> mixed = batch.read();
  const std::vector<double> expected = testing::mixed_batch(pictures, kCount, 0.3);
  // Half a step of the last bit of numbers up to 2, and one more for the GPU's fused multiply-add.
  for (size_t i = 0; i < mixed.size(); ++i) ASSERT_NEAR(static_cast<double>(mixed[i]), expected[i], 8e-7);
}

TEST_F(Gpu, FourThreadsPreprocessAtOnce) {
  PreprocessCase test_case;
  Random random(48);
  test_case.picture = testing::random_picture(random, PixelFormat::Nv12, 640, 360);
  const std::vector<float> expected = cpu_output(test_case.spec, test_case.picture.view);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&] {
      const auto preprocessor = preprocessor_of(test_case.spec, NumberType::Float32);
      for (int i = 0; i < 50; ++i)
        EXPECT_EQ(gpu_output<float>(*preprocessor, test_case.spec, test_case.picture.view), expected);
    });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(Gpu, AGpuThatIsNotThereIsUnavailable) {
  const Result<Device> device = choose_device("cuda:63");
  ASSERT_FALSE(device.ok());
  EXPECT_EQ(device.error().code, ErrorCode::DeviceUnavailable);
  EXPECT_EQ((*cuda_module())->check_gpu(63).error().code, ErrorCode::DeviceUnavailable);
}

TEST_F(Gpu, APictureThatDoesNotFitIsOutOfMemoryAndTheNextOneWorks) {
  size_t free = 0, total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
  void* most = nullptr;
  size_t bytes = free;  // takes all but less than 64 MB
  while (cudaMalloc(&most, bytes) != cudaSuccess) bytes -= size_t{32} << 20;
  cudaGetLastError();
  const PreprocessSpec spec;
  const auto preprocessor = preprocessor_of(spec, NumberType::Float16);
  const testing::Picture large = testing::make_picture(PixelFormat::Rgba, 8192, 8192);
  const Result<ImageView> copy = preprocessor->upload(large.view);
  cudaFree(most);
  ASSERT_FALSE(copy.ok());
  EXPECT_EQ(copy.error().code, ErrorCode::OutOfMemory) << to_string(copy.error());
  EXPECT_TRUE(preprocessor->upload(large.view).ok());
}

TEST_F(Gpu, TheCallersCurrentGpuStays) {
  int count = 0, current = -1;
  ASSERT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  if (count < 2) GTEST_SKIP() << "NOT TESTED: this machine has one GPU";
  ASSERT_EQ(cudaSetDevice(count - 1), cudaSuccess);
  const auto preprocessor = preprocessor_of({}, NumberType::Float16);
  ASSERT_EQ(cudaGetDevice(&current), cudaSuccess);
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  EXPECT_EQ(current, count - 1);
}

}  // namespace
}  // namespace resnetft
