// SPDX-License-Identifier: MIT
// What the kernels do on a real GPU, against the CPU: the bits must be equal, for the arithmetic is the same. Without
// a GPU everything is skipped, loudly; RESNETFT_REQUIRE_GPU=1 makes that a failure.
#include <cudaTypedefs.h>
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <stdexcept>
#include <thread>

#include "device/cuda/number_bits.h"
#include "device/cuda_module.h"
#include "device/device_choice.h"
#include "tests/gpu/gpu_required.h"
#include "tests/gpu/on_gpu.h"
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
  // Waits, for cudaMemcpy() may return before the last bytes are there, and streams that are not blocking pass it by.
  void fill(const std::vector<Number>& numbers) {
    EXPECT_EQ(cudaMemcpy(data_, numbers.data(), count_ * sizeof(Number), cudaMemcpyHostToDevice), cudaSuccess);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
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

// A context that is not the primary one, on the first GPU.
class OtherContext {
 public:
  OtherContext() {
    find("cuCtxCreate", 3020, create_);
    find("cuCtxDestroy", 4000, destroy_);
    find("cuCtxPushCurrent", 4000, push_);
    find("cuCtxPopCurrent", 4000, pop_);
    find("cuCtxGetCurrent", 4000, get_current_);
    EXPECT_EQ(create_(&context_, 0, 0), CUDA_SUCCESS);
    pop();
  }
  ~OtherContext() { destroy_(context_); }
  OtherContext(const OtherContext&) = delete;
  OtherContext& operator=(const OtherContext&) = delete;

  void push() const { EXPECT_EQ(push_(context_), CUDA_SUCCESS); }
  void pop() const {
    CUcontext popped = nullptr;
    EXPECT_EQ(pop_(&popped), CUDA_SUCCESS);
    EXPECT_EQ(popped, context_);
  }
  CUcontext get() const { return context_; }
  CUcontext current() const {
    CUcontext current = nullptr;
    EXPECT_EQ(get_current_(&current), CUDA_SUCCESS);
    return current;
  }

 private:
  template <class Function>
  static void find(const char* name, unsigned version, Function& function) {
    void* address = nullptr;
    cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
    if (cudaGetDriverEntryPointByVersion(name, &address, version, cudaEnableDefault, &found) != cudaSuccess || !address)
      throw std::runtime_error(std::string("the driver has no ") + name);
    function = reinterpret_cast<Function>(address);
  }

  PFN_cuCtxCreate_v3020 create_;
  PFN_cuCtxDestroy_v4000 destroy_;
  PFN_cuCtxPushCurrent_v4000 push_;
  PFN_cuCtxPopCurrent_v4000 pop_;
  PFN_cuCtxGetCurrent_v4000 get_current_;
  CUcontext context_ = nullptr;
};

size_t values_of(const PreprocessSpec& spec) {
  return static_cast<size_t>(spec.crop_width) * static_cast<size_t>(spec.crop_height) * 3;
}

class Gpu : public ::testing::Test {
 protected:
  void SetUp() override { RESNETFT_NEEDS_GPU(choose_device("cuda")); }

  static void expect_ok(const Status& status) { EXPECT_TRUE(status.ok()) << (status ? "" : to_string(status.error())); }

  static std::unique_ptr<CudaPreprocessor> preprocessor_of(const PreprocessSpec& spec, NumberType number) {
    Result<std::unique_ptr<CudaPreprocessor>> made = (*cuda_module())->create_preprocessor({spec, number});
    if (!made) throw std::runtime_error(to_string(made.error()));
    return std::move(*made);
  }

  template <class Number>
  static std::vector<Number> gpu_output(CudaPreprocessor& preprocessor, const PreprocessSpec& spec,
                                        const ImageView& image, const FrameChange& change = {}) {
    GpuNumbers<Number> output(values_of(spec));
    output.fill(std::vector<Number>(values_of(spec), Number{77}));
    expect_ok(preprocessor.run(image, change, output.data()));
    expect_ok(preprocessor.wait());
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

// One preprocessor for a stream whose pictures change shape: tables and copies are replaced while the GPU works. Each
// picture is read before run() returns, and nobody waits until the end of a round.
TEST_F(Gpu, OneStreamTakesPicturesOfChangingShapes) {
  Random random(46);
  const PreprocessSpec spec;
  const size_t values = values_of(spec);
  const auto preprocessor = preprocessor_of(spec, NumberType::Float32);
  for (int round = 0; round < 10 && !HasFailure(); ++round) {
    constexpr size_t kPictures = 20;
    GpuNumbers<float> outputs(kPictures * values);
    outputs.fill(std::vector<float>(kPictures * values, 77));
    std::vector<float> expected;
    for (size_t i = 0; i < kPictures; ++i) {
      PreprocessCase test_case = testing::random_case(random);
      if (i % 7 == 3) test_case.picture = testing::random_picture(random, PixelFormat::Rgba, 2000, 1500);
      const std::vector<float> tensor = cpu_output(spec, test_case.picture.view);
      expected.insert(expected.end(), tensor.begin(), tensor.end());
      expect_ok(preprocessor->run(test_case.picture.view, {}, static_cast<float*>(outputs.data()) + i * values));
    }
    expect_ok(preprocessor->wait());
    EXPECT_EQ(outputs.read(), expected) << round;
  }
}

// Also of a context that somebody else made on the same GPU.
TEST_F(Gpu, TakesPicturesFromTheGpusMemory) {
  const OtherContext other;
  Random random(49);
  const PreprocessSpec spec;
  const auto preprocessor = preprocessor_of(spec, NumberType::Float32);
  for (int format = 0; format <= static_cast<int>(PixelFormat::Uyvy); ++format) {
    const testing::Picture picture = testing::random_picture(random, static_cast<PixelFormat>(format), 642, 362);
    const std::vector<float> expected = cpu_output(spec, picture.view);
    const testing::OnGpu own(picture);
    EXPECT_EQ(gpu_output<float>(*preprocessor, spec, own.view()), expected) << format;
    other.push();
    {
      const testing::OnGpu foreign(picture);
      ImageView view = foreign.view();
      view.memory.context = other.get();
      other.pop();
      EXPECT_EQ(gpu_output<float>(*preprocessor, spec, view), expected) << format;
      other.push();
    }
    other.pop();
  }
}

TEST_F(Gpu, TheCallersContextStays) {
  const OtherContext other;
  Random random(50);
  const testing::Picture picture = testing::random_picture(random, PixelFormat::Nv12, 64, 48);
  const PreprocessSpec spec;
  const GpuNumbers<float> output(values_of(spec));
  other.push();
  {
    const auto preprocessor = preprocessor_of(spec, NumberType::Float32);
    expect_ok(preprocessor->run(picture.view, {}, output.data()));
    expect_ok(preprocessor->wait());
    EXPECT_EQ(other.current(), other.get());
  }
  EXPECT_EQ(other.current(), other.get());
  other.pop();
  EXPECT_EQ(output.read(), cpu_output(spec, picture.view));
}

template <class Numbers>
void expect_mixed(CudaPreprocessor& preprocessor, size_t values, double tolerance) {
  using Stored = typename Numbers::Stored;
  Random random(47);
  constexpr size_t kCount = 5;
  std::vector<Stored> pictures(kCount * values);
  std::vector<float> floats;
  for (Stored& value : pictures) {
    value = Numbers::store(std::uniform_real_distribution<float>(-2, 2)(random));
    floats.push_back(Numbers::load(value));
  }
  GpuNumbers<Stored> batch(pictures.size());
  batch.fill(pictures);
  ASSERT_TRUE(preprocessor.mixup(batch.data(), kCount, 0.3).ok());
  ASSERT_TRUE(preprocessor.wait().ok());
  const std::vector<Stored> mixed = batch.read();
  const std::vector<double> expected = testing::mixed_batch(floats, kCount, 0.3);
  for (size_t i = 0; i < mixed.size(); ++i)
    ASSERT_NEAR(static_cast<double>(Numbers::load(mixed[i])), expected[i], tolerance) << i;
}

// Half a step of the last bit of numbers up to 2, and of floats one more for the share that is rounded first.
TEST_F(Gpu, MixesEachPictureWithTheOneBefore) {
  const PreprocessSpec spec = {.crop_width = 37, .crop_height = 41};
  expect_mixed<Float32Numbers>(*preprocessor_of(spec, NumberType::Float32), values_of(spec), 4e-7);
  expect_mixed<Float16Numbers>(*preprocessor_of(spec, NumberType::Float16), values_of(spec), 1e-3);
  expect_mixed<BFloat16Numbers>(*preprocessor_of(spec, NumberType::BFloat16), values_of(spec), 8e-3);
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
  const PreprocessSpec spec;
  Random random(51);
  const testing::Picture small = testing::random_picture(random, PixelFormat::Nv12, 64, 48);
  const testing::Picture large = testing::make_picture(PixelFormat::Rgba, 8192, 8192);
  const auto preprocessor = preprocessor_of(spec, NumberType::Float32);
  GpuNumbers<float> output(values_of(spec));
  const auto run = [&](const testing::Picture& picture) {
    output.fill(std::vector<float>(values_of(spec), 77));
    const Status queued = preprocessor->run(picture.view, {}, output.data());
    return queued ? preprocessor->wait() : queued;
  };
  ASSERT_TRUE(run(small).ok());  // what is loaded on first use is there
  size_t bytes = 0, total = 0;
  ASSERT_EQ(cudaMemGetInfo(&bytes, &total), cudaSuccess);
  void* most = nullptr;  // all but less than 64 MB
  while (cudaMalloc(&most, bytes) != cudaSuccess) bytes -= size_t{32} << 20;
  cudaGetLastError();
  const Status status = run(large);
  EXPECT_TRUE(run(small).ok());
  EXPECT_EQ(output.read(), cpu_output(spec, small.view));
  cudaFree(most);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::OutOfMemory) << to_string(status.error());
  EXPECT_TRUE(run(large).ok());
  EXPECT_EQ(output.read(), cpu_output(spec, large.view));
}

// On average over many that are queued behind each other, by the GPU's clock. The aim is an H100's.
TEST_F(Gpu, A1080pFrameTakesAtMost50Microseconds) {
  constexpr int kRuns = 200;
  constexpr float kMost = 50;
  Random random(52);
  const PreprocessSpec spec;
  const testing::OnGpu frame(testing::random_picture(random, PixelFormat::Nv12, 1920, 1080));
  GpuNumbers<uint16_t> output(values_of(spec));
  cudaStream_t stream = nullptr;
  cudaEvent_t start = nullptr, end = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&start), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&end), cudaSuccess);
  {
    const auto preprocessor = (*cuda_module())->create_preprocessor({spec, NumberType::Float16, 0, stream}).value();
    for (int i = 0; i < 2 * kRuns; ++i) {
      if (i == kRuns) cudaEventRecord(start, stream);
      ASSERT_TRUE(preprocessor->run(frame.view(), {}, output.data()).ok());
    }
    ASSERT_EQ(cudaEventRecord(end, stream), cudaSuccess);
    expect_ok(preprocessor->wait());
  }
  float milliseconds = 0;
  ASSERT_EQ(cudaEventElapsedTime(&milliseconds, start, end), cudaSuccess);
  const float microseconds = milliseconds * 1000 / kRuns;
  const std::string gpu = survey_cuda().gpus.front().gpu.name;
  std::printf("1080p NV12 to 224x224 half: %.1f us on %s\n", static_cast<double>(microseconds), gpu.c_str());
  if (gpu.find("H100") != std::string::npos || gpu.find("H200") != std::string::npos) {
    EXPECT_LE(microseconds, kMost);
  }
  cudaEventDestroy(start);
  cudaEventDestroy(end);
  cudaStreamDestroy(stream);
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
