// SPDX-License-Identifier: MIT
// Why CUDA cannot be used, for each reason that a machine without a GPU can show: with no driver, and with one that
// plays a part (tests/support/fake_cuda_driver.cpp). A program of its own: what is in the process decides.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "device/cuda_module.h"
#include "device/device_choice.h"
#include "device/module_build.h"
#include "device/module_file.h"
#include "infer/engine.h"
#include "resnetft/log.h"
#include "tests/support/tiny_model.h"

namespace resnetft {
namespace {

struct Setting {
  const char* name = nullptr;
  const char* value = nullptr;
};

// In the process while it lives, and found by its soname.
class FakeDriver {
 public:
  explicit FakeDriver(Setting one, Setting other = {}) : settings_{one, other} {
    for (const Setting& setting : settings_)
      if (setting.name) setenv(setting.name, setting.value, 1);
    handle_ = dlopen(RESNETFT_FAKE_CUDA_DRIVER, RTLD_NOW | RTLD_LOCAL);
    EXPECT_NE(handle_, nullptr) << dlerror();
  }
  ~FakeDriver() {
    if (handle_) dlclose(handle_);
    for (const Setting& setting : settings_)
      if (setting.name) unsetenv(setting.name);
  }
  FakeDriver(const FakeDriver&) = delete;
  FakeDriver& operator=(const FakeDriver&) = delete;

 private:
  std::array<Setting, 2> settings_;
  void* handle_ = nullptr;
};

class LogLines {
 public:
  LogLines() {
    set_log_sink([this](LogLevel, std::string_view line) { lines.emplace_back(line); });
  }
  ~LogLines() { set_log_sink({}); }
  std::vector<std::string> lines;
};

void expect_unavailable(const std::string& name, const std::string& reason) {
  const Result<Device> device = choose_device(name);
  ASSERT_FALSE(device.ok()) << name;
  EXPECT_EQ(device.error().code, ErrorCode::DeviceUnavailable);
  for (const std::string& part : {"'" + name + "'", reason})
    EXPECT_NE(device.error().message.find(part), std::string::npos) << part << " in " << device.error().message;
  EXPECT_FALSE(device.error().hint.empty());
}

bool has_driver() {
  void* driver = dlopen("libcuda.so.1", RTLD_LAZY);
  if (driver) dlclose(driver);
  return driver != nullptr;
}

#define RESNETFT_NEEDS_NO_DRIVER() \
  if (has_driver()) GTEST_SKIP() << "not tested: this machine has an NVIDIA driver"
#define RESNETFT_NEEDS_CUDA_MODULE() \
  if (!std::string_view(RESNETFT_CUDA_MISSING).empty()) GTEST_SKIP() << "not tested: this build has no CUDA module"

TEST(CudaDevice, WithoutADriverANamedDeviceSaysSo) {
  RESNETFT_NEEDS_NO_DRIVER();
  expect_unavailable("cuda", "no NVIDIA driver");
  expect_unavailable("cuda:3", "libcuda.so.1");
}

TEST(CudaDevice, WithoutADriverAutoIsTheCpuWithOneLogLine) {
  RESNETFT_NEEDS_NO_DRIVER();
  LogLines log;
  for (int i = 0; i < 3; ++i) {
    const Result<Device> device = choose_device("auto");
    ASSERT_TRUE(device.ok()) << to_string(device.error());
    EXPECT_FALSE(device->cuda);
  }
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_NE(log.lines[0].find("device auto is the CPU: CUDA cannot be used: there is no NVIDIA driver"),
            std::string::npos)
      << log.lines[0];
}

TEST(CudaDevice, TheCpuIsAlwaysThere) {
  const Result<Device> device = choose_device("cpu");
  ASSERT_TRUE(device.ok());
  EXPECT_FALSE(device->cuda);
}

TEST(CudaDevice, OtherNamesAreAnsweredWithTheList) {
  for (const char* name : {"", "tpu", "cuda:", "cuda:-1", "cuda:x", "cuda:1x", "cuda0", "cuda:99999999999"}) {
    const Result<Device> device = choose_device(name);
    ASSERT_FALSE(device.ok()) << name;
    EXPECT_EQ(device.error().code, ErrorCode::InvalidArgument) << name;
    EXPECT_EQ(device.error().hint, "possible are: auto, cpu, cuda, cuda:N");
  }
}

TEST(CudaDevice, ADriverThatFindsNoGpuSaysSo) {
  const FakeDriver driver({"FAKE_CUDA_INIT", "100"});
  expect_unavailable("cuda", "the NVIDIA driver finds no GPU");
}

TEST(CudaDevice, ADriverThatDoesNotStartIsNamedWithItsReason) {
  struct Failure {
    const char *code, *reason;
  };
  for (const auto& [code, reason] : {Failure{"2", "out of memory"},
                                     {"3", "forked"},
                                     {"34", "stub"},
                                     {"802", "not ready"},
                                     {"803", "different versions"},
                                     {"999", "cuInit"}}) {
    const FakeDriver driver({"FAKE_CUDA_INIT", code});
    expect_unavailable("cuda:0", reason);
  }
}

TEST(CudaDevice, ADriverThatAppearsLaterIsSeen) {
  RESNETFT_NEEDS_NO_DRIVER();
  expect_unavailable("cuda", "no NVIDIA driver");
  const FakeDriver driver({"FAKE_CUDA_INIT", "100"});
  expect_unavailable("cuda", "finds no GPU");
}

TEST(CudaModule, OpensWithoutADriverOnceForAllThreads) {
  RESNETFT_NEEDS_CUDA_MODULE();
  std::vector<Result<const CudaModule*>> found(4, Error{ErrorCode::Internal, "", ""});
  std::vector<std::thread> threads;
  for (auto& module : found) threads.emplace_back([&] { module = cuda_module(); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& module : found) {
    ASSERT_TRUE(module.ok()) << to_string(module.error());
    EXPECT_EQ(*module, *found[0]);
  }
  EXPECT_EQ((*found[0])->version, kCudaModuleVersion);
  EXPECT_GE((*found[0])->runtime_version, 13000);
}

TEST(CudaModule, WithoutADriverEveryCallIsDeviceUnavailable) {
  RESNETFT_NEEDS_CUDA_MODULE();
  RESNETFT_NEEDS_NO_DRIVER();
  const Result<const CudaModule*> module = cuda_module();
  ASSERT_TRUE(module.ok()) << to_string(module.error());
  const Status status = (*module)->check_gpu(0);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::DeviceUnavailable) << to_string(status.error());
  const Result<std::unique_ptr<CudaPreprocessor>> preprocessor = (*module)->create_preprocessor({});
  ASSERT_FALSE(preprocessor.ok());
  EXPECT_EQ(preprocessor.error().code, ErrorCode::DeviceUnavailable) << to_string(preprocessor.error());
}

TEST(CudaModule, ASpecThatIsNeverRightIsRefusedBeforeTheGpuIsAsked) {
  RESNETFT_NEEDS_CUDA_MODULE();
  const Result<const CudaModule*> module = cuda_module();
  ASSERT_TRUE(module.ok()) << to_string(module.error());
  const auto preprocessor = (*module)->create_preprocessor({.spec = {.crop_width = 0}});
  ASSERT_FALSE(preprocessor.ok());
  EXPECT_EQ(preprocessor.error().code, ErrorCode::InvalidArgument);
}

TEST(CudaModule, TheEngineRefusesANormalisationThatItLacksBeforeTheGpuIsAsked) {
  RESNETFT_NEEDS_CUDA_MODULE();
  const Result<const CudaModule*> module = cuda_module();
  ASSERT_TRUE(module.ok()) << to_string(module.error());
  ModelCard card;
  card.architecture = "resnet20";
  card.num_classes = 10;
  card.normalization = Normalization::Group;
  const EngineSpec spec{.width = 32, .height = 32, .precision = Precision::Fp16, .device = {true, 0}};
  const auto engine = (*module)->create_engine(card, testing::random_weights("resnet20", 10, 1), spec);
  ASSERT_FALSE(engine.ok());
  if (engine.error().code == ErrorCode::DeviceUnavailable) GTEST_SKIP() << "not tested: " << to_string(engine.error());
  EXPECT_EQ(engine.error().code, ErrorCode::Incompatible) << to_string(engine.error());
}

TEST(CudaModule, WithoutADriverTheEngineIsDeviceUnavailable) {
  RESNETFT_NEEDS_CUDA_MODULE();
  RESNETFT_NEEDS_NO_DRIVER();
  const Result<const CudaModule*> module = cuda_module();
  ASSERT_TRUE(module.ok()) << to_string(module.error());
  ModelCard card;
  card.architecture = "resnet20";
  card.num_classes = 10;
  const EngineSpec spec{.width = 32, .height = 32, .precision = Precision::Fp16, .device = {true, 0}};
  const auto engine = (*module)->create_engine(card, testing::random_weights("resnet20", 10, 1), spec);
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.error().code, ErrorCode::DeviceUnavailable) << to_string(engine.error());
}

// cuDNN is looked for, the GPU is not.
TEST(CudaModule, SaysWhetherInferenceHasWhatItNeeds) {
  RESNETFT_NEEDS_CUDA_MODULE();
  const Result<const CudaModule*> module = cuda_module();
  ASSERT_TRUE(module.ok()) << to_string(module.error());
  const Status status = (*module)->check_inference();
  if (status) return;
  EXPECT_EQ(status.error().code, ErrorCode::DeviceUnavailable);
  EXPECT_NE(status.error().hint.find("nvidia-cudnn-cu13"), std::string::npos) << to_string(status.error());
}

constexpr ModuleFile kNoEntry = {"libresnetft-cuda.so", "no_such_entry", "CUDA", "build again"};

TEST(ModuleFile, AnotherBuildsInterfaceIsIncompatibleAndBothVersionsAreNamed) {
  EXPECT_TRUE(check_module_version(kNoEntry, 3, 3).ok());
  const Status status = check_module_version(kNoEntry, 7, 3);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::Incompatible);
  EXPECT_NE(status.error().message.find("version 7 of the module's interface, not 3"), std::string::npos)
      << status.error().message;
}

TEST(ModuleFile, ALibraryWithoutTheEntryIsNoModule) {
  RESNETFT_NEEDS_CUDA_MODULE();
  const Result<void*> entry = open_module_file(kNoEntry);
  ASSERT_FALSE(entry.ok());
  EXPECT_EQ(entry.error().code, ErrorCode::DeviceUnavailable);
  EXPECT_NE(entry.error().message.find("is not a module of resnetft"), std::string::npos) << entry.error().message;
}

TEST(CudaModule, ABuildWithoutItSaysWhy) {
  if (std::string_view(RESNETFT_CUDA_MISSING).empty()) GTEST_SKIP() << "not tested: this build has the CUDA module";
  const Result<const CudaModule*> module = cuda_module();
  ASSERT_FALSE(module.ok());
  EXPECT_EQ(module.error().code, ErrorCode::DeviceUnavailable);
  EXPECT_NE(module.error().message.find(RESNETFT_CUDA_MISSING), std::string::npos) << module.error().message;
}

// Last: a driver that has started stays in the process.
TEST(CudaDeviceOfADriverThatStarted, WithoutAGpuItSaysSoAndStaysOpen) {
  {
    const FakeDriver driver({"FAKE_CUDA_GPUS", "0"});
    expect_unavailable("cuda", "the NVIDIA driver finds no GPU");
  }
  EXPECT_TRUE(has_driver());
}

TEST(CudaDeviceOfADriverThatStarted, ADriverThatIsTooOldIsNamedWithBothVersions) {
  RESNETFT_NEEDS_CUDA_MODULE();
  const FakeDriver driver({"FAKE_CUDA_VERSION", "12080"});
  expect_unavailable("cuda", "the NVIDIA driver runs CUDA up to 12.8, this build needs 13.0");
  EXPECT_EQ(survey_cuda().driver_version, 12080);
}

TEST(CudaDeviceOfADriverThatStarted, AGpuThatIsTooOldIsNamedWithBothCapabilities) {
  RESNETFT_NEEDS_CUDA_MODULE();
  const FakeDriver driver({"FAKE_CUDA_CAPABILITY", "70"}, {"FAKE_CUDA_GPUS", "2"});
  expect_unavailable("cuda:1", "Fake GPU has compute capability 7.0, 7.5 or later is needed");
  const CudaSurvey survey = survey_cuda();
  EXPECT_EQ(survey.reason, "");
  ASSERT_EQ(survey.gpus.size(), 2u);
  EXPECT_EQ(survey.gpus[1].gpu.memory_bytes, uint64_t{8} << 30);
}

TEST(CudaDeviceOfADriverThatStarted, AnOrdinalThatDoesNotExistIsAnsweredWithTheCount) {
  RESNETFT_NEEDS_CUDA_MODULE();
  const FakeDriver driver({"FAKE_CUDA_CAPABILITY", "70"}, {"FAKE_CUDA_GPUS", "2"});
  expect_unavailable("cuda:2", "this machine has 2 GPUs");
}

// This driver knows no contexts: what the module's own runtime says comes through.
TEST(CudaDeviceOfADriverThatStarted, AGpuThatGivesNoContextIsPassedOverWithItsReason) {
  RESNETFT_NEEDS_CUDA_MODULE();
  const FakeDriver driver({"FAKE_CUDA_CAPABILITY", "90"});
  expect_unavailable("cuda", "CUDA cannot be used: ");
  const CudaSurvey survey = survey_cuda();
  ASSERT_EQ(survey.gpus.size(), 1u);
  LogLines log;
  const Result<Device> device = choose_device("auto");
  ASSERT_TRUE(device.ok()) << to_string(device.error());
  EXPECT_FALSE(device->cuda);
  EXPECT_EQ(log.lines, std::vector<std::string>{"device auto is the CPU: " + survey.gpus[0].reason});
}

}  // namespace
}  // namespace resnetft
