// SPDX-License-Identifier: MIT
// The CUDA engine on a real GPU, against what the CPU's engine gives: written down in expected_logits.txt beside the
// program, or said by expected_logits there.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <map>
#include <sstream>
#include <thread>

#include "device/cuda_module.h"
#include "device/device_choice.h"
#include "tests/gpu/gpu_required.h"
#include "tests/gpu/net_cases.h"
#include "tests/support/logits.h"

namespace resnetft {
namespace {

using testing::NetCase;

std::string output_of(const std::string& program) {
  std::string text;
  FILE* const pipe = popen(program.c_str(), "r");
  for (int character = 0; pipe && (character = std::getc(pipe)) != EOF;) text += static_cast<char>(character);
  if (pipe) pclose(pipe);
  return text;
}

std::filesystem::path program_folder() { return std::filesystem::read_symlink("/proc/self/exe").parent_path(); }

std::string expected_text() {
  const std::filesystem::path folder = program_folder();
  std::ifstream file(folder / "expected_logits.txt");
  if (!file) return output_of((folder / "expected_logits").string());
  return {std::istreambuf_iterator<char>(file), {}};
}

// "resnet18 224x224 3" -> logits.
using ExpectedLogits = std::map<std::string, std::vector<float>>;
ExpectedLogits read_expected() {
  std::istringstream lines(expected_text());
  ExpectedLogits expected;
  for (std::string line; std::getline(lines, line);) {
    const size_t colon = line.find(':');
    std::istringstream numbers(line.substr(colon + 1));
    for (float value = 0; numbers >> value;) expected[line.substr(0, colon)].push_back(value);
  }
  return expected;
}

// CIFAR-10's test set, a net for it, and the classes that PyTorch finds on the CPU: what cifar_parts.py writes.
struct CifarParts {
  FloatWeights weights;
  std::array<float, 3> mean{}, std{};
  std::string pictures;  // [count, 32, 32, 3]
  std::string expected;  // a digit each
};
constexpr size_t kCifarPicture = 32 * 32 * 3;

CifarParts read_cifar(const std::string& data) {
  std::istringstream text(output_of("python3 '" + (program_folder() / "cifar_parts.py").string() + "' '" + data + "'"));
  CifarParts parts;
  for (std::string line, kind; std::getline(text, line);) {
    std::istringstream words(line);
    words >> kind;
    if (kind == "weights") {
      std::string name;
      FloatTensor tensor;
      words >> name;
      int64_t count = 1;
      for (int64_t size = 0; words >> size; count *= size) tensor.shape.push_back(size);
      tensor.values.resize(static_cast<size_t>(count));
      text.read(reinterpret_cast<char*>(tensor.values.data()), count * static_cast<int64_t>(sizeof(float)));
      parts.weights[name] = std::move(tensor);
    } else if (kind == "scale") {
      for (float& value : parts.mean) words >> value;
      for (float& value : parts.std) words >> value;
    } else if (kind == "pictures") {
      size_t count = 0;
      words >> count;
      parts.pictures.resize(count * kCifarPicture);
      parts.expected.resize(count);
      text.read(parts.pictures.data(), static_cast<std::streamsize>(parts.pictures.size()));
      text.read(parts.expected.data(), static_cast<std::streamsize>(count));
      if (!text) parts.expected.clear();
    }
  }
  return parts;
}

void fill_cifar(std::span<float> input, const CifarParts& parts, size_t picture) {
  for (size_t i = 0; i < kCifarPicture; ++i) {
    const auto value = static_cast<uint8_t>(parts.pictures[picture * kCifarPicture + i]);
    input[i] = (static_cast<float>(value) / 255 - parts.mean[i % 3]) / parts.std[i % 3];
  }
}

EngineSpec spec_of(const NetCase& net, int max_batch, Precision precision) {
  return {
      .width = net.width, .height = net.height, .max_batch = max_batch, .precision = precision, .device = {true, 0}};
}

Result<std::shared_ptr<const Engine>> try_engine(const NetCase& net, const EngineSpec& spec) {
  return (*cuda_module())->create_engine(testing::card_of(net), testing::weights_of(net), spec);
}

class GpuEngine : public ::testing::Test {
 protected:
  void SetUp() override {
    RESNETFT_NEEDS_GPU(choose_device("cuda"));
    RESNETFT_NEEDS_GPU((*cuda_module())->check_inference());
  }

  static std::shared_ptr<const Engine> engine_of(const NetCase& net, int max_batch, Precision precision) {
    const Result<std::shared_ptr<const Engine>> engine = try_engine(net, spec_of(net, max_batch, precision));
    EXPECT_TRUE(engine.ok()) << testing::text_of(net) << (engine.ok() ? "" : to_string(engine.error()));
    return engine.ok() ? *engine : nullptr;
  }

  static std::unique_ptr<Session> session_of(const Engine& engine) {
    Result<std::unique_ptr<Session>> session = engine.create_session();
    EXPECT_TRUE(session.ok()) << (session.ok() ? "" : to_string(session.error()));
    return session.ok() ? std::move(*session) : nullptr;
  }

  // All nets, at batches of 1, 3 and 8, of which the 3 run as 8: to prepare for all sizes takes minutes.
  static void expect_the_cpus_logits(Precision precision, double tolerance) {
    const ExpectedLogits expected = read_expected();
    ASSERT_EQ(expected.size(), testing::kNetCases.size() * testing::kNetPictures) << "there are no logits of the CPU's";
    for (const NetCase& net : testing::kNetCases) {
      expect_near(expected, net, 1, {1}, precision, tolerance);
      expect_near(expected, net, testing::kNetPictures, {3, 8}, precision, tolerance);
    }
  }

 private:
  static void expect_near(const ExpectedLogits& expected, const NetCase& net, int max_batch,
                          std::initializer_list<int> batches, Precision precision, double tolerance) {
    EngineSpec spec = spec_of(net, max_batch, precision);
    spec.full_batches = true;
    const auto begin = std::chrono::steady_clock::now();
    const Result<std::shared_ptr<const Engine>> engine = try_engine(net, spec);
    ASSERT_TRUE(engine.ok()) << testing::text_of(net) << ": " << to_string(engine.error());
    const std::chrono::duration<double> built = std::chrono::steady_clock::now() - begin;
    const std::unique_ptr<Session> session = session_of(**engine);
    ASSERT_NE(session, nullptr);
    for (const int batch : batches) {
      double worst = 0;
      for (int i = 0; i < batch; ++i) testing::fill_picture(session->input(i), static_cast<unsigned>(i));
      const Status status = session->run(batch);
      ASSERT_TRUE(status.ok()) << to_string(status.error());
      for (int i = 0; i < batch; ++i)
        worst = std::max(worst, testing::relative_difference(
                                    session->logits(i), expected.at(testing::text_of(net) + " " + std::to_string(i))));
      EXPECT_LE(worst, tolerance) << testing::text_of(net) << ", batch " << batch;
      std::printf("%s, batch %d: %.2g of the largest logit; built in %.1f s\n", testing::text_of(net).c_str(), batch,
                  worst, built.count());
      std::fflush(stdout);  // should the next one take too long
    }
  }
};

TEST_F(GpuEngine, InFp32GivesTheCpusLogits) { expect_the_cpus_logits(Precision::Fp32, 1e-4); }
// Halfs have 11 bits of mantissa. So have tf32's factors, which newer tensor cores cut off instead of rounding them:
// each layer's sums shrink by up to 7e-4. bfloat16 has 8.
TEST_F(GpuEngine, InFp16GivesTheCpusLogitsAsFarAsHalfsGo) { expect_the_cpus_logits(Precision::Fp16, 1e-2); }
TEST_F(GpuEngine, InTf32GivesTheCpusLogitsAsFarAsItGoes) { expect_the_cpus_logits(Precision::Tf32, 3e-2); }
TEST_F(GpuEngine, InBf16GivesTheCpusLogitsAsFarAsItGoes) { expect_the_cpus_logits(Precision::Bf16, 8e-2); }

TEST_F(GpuEngine, FindsTheCpusClassesInTheCifarTestSet) {
  const char* data = std::getenv("RESNETFT_DATA");
  if (!data) GTEST_SKIP() << "NOT TESTED: the classes of CIFAR-10's test set: RESNETFT_DATA is not set";
  const CifarParts parts = read_cifar(data);
  if (parts.expected.empty())
    GTEST_SKIP() << "NOT TESTED: the classes of CIFAR-10's test set; cifar_parts.py says why it has none of "
                    "RESNETFT_DATA's folder";
  ModelCard card;
  card.architecture = "resnet20";
  card.num_classes = 10;
  constexpr size_t kBatch = 250;
  for (const Precision precision : {Precision::Fp32, Precision::Tf32, Precision::Fp16}) {
    EngineSpec spec = spec_of({"", 32, 32}, kBatch, precision);
    spec.full_batches = true;
    const auto engine = (*cuda_module())->create_engine(card, parts.weights, spec);
    ASSERT_TRUE(engine.ok()) << to_string(engine.error());
    const std::unique_ptr<Session> session = session_of(**engine);
    ASSERT_NE(session, nullptr);
    size_t same = 0;
    for (size_t first = 0; first < parts.expected.size(); first += kBatch) {
      const size_t count = std::min(kBatch, parts.expected.size() - first);
      for (size_t i = 0; i < count; ++i) fill_cifar(session->input(static_cast<int>(i)), parts, first + i);
      ASSERT_TRUE(session->run(static_cast<int>(count)).ok());
      for (size_t i = 0; i < count; ++i) {
        const std::span<const float> logits = session->logits(static_cast<int>(i));
        const auto best = std::ranges::max_element(logits) - logits.begin();
        same += static_cast<char>('0' + best) == parts.expected[first + i] ? 1 : 0;
      }
    }
    std::printf("precision %d: the CPU's class for %zu of %zu\n", static_cast<int>(precision), same,
                parts.expected.size());
    EXPECT_GE(static_cast<double>(same), 0.998 * static_cast<double>(parts.expected.size()));
  }
}

constexpr NetCase kSmall = {"resnet18", 224, 224};

std::vector<float> logits_of(Session& session, unsigned seed) {
  testing::fill_picture(session.input(0), seed);
  EXPECT_TRUE(session.run(1).ok());
  const std::span<const float> logits = session.logits(0);
  return {logits.begin(), logits.end()};
}

void expect_the_bits_of_one_thread(const Engine& engine, unsigned pictures) {
  std::vector<std::vector<float>> alone(pictures), together(pictures);
  const auto judge = [&](unsigned first, unsigned step, std::vector<std::vector<float>>& results) {
    Result<std::unique_ptr<Session>> session = engine.create_session();
    EXPECT_TRUE(session.ok()) << (session.ok() ? "" : to_string(session.error()));
    for (unsigned i = first; session.ok() && i < pictures; i += step) results[i] = logits_of(**session, i);
  };
  judge(0, 1, alone);
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < 4; ++t) threads.emplace_back([&, t] { judge(t, 4, together); });
  threads.clear();
  EXPECT_NE(alone.front(), alone.back());
  EXPECT_EQ(together, alone);
}

TEST_F(GpuEngine, FourSessionsInFourThreadsGiveTheBitsOfOneThread) {
  const std::shared_ptr<const Engine> engine = engine_of(kSmall, 4, Precision::Fp16);
  ASSERT_NE(engine, nullptr);
  expect_the_bits_of_one_thread(*engine, 64);
}

// For compute-sanitizer, under which each launch of a contest takes many times as long.
TEST_F(GpuEngine, SmallestNetInFourThreadsGivesTheBitsOfOneThread) {
  const std::shared_ptr<const Engine> engine = engine_of({"resnet20", 32, 32}, 1, Precision::Fp16);
  ASSERT_NE(engine, nullptr);
  expect_the_bits_of_one_thread(*engine, 8);
}

TEST_F(GpuEngine, SessionsAreMadeAndRunWhileAnotherThreadAllocates) {
  std::atomic<bool> done = false;
  std::jthread allocator([&] {
    while (!done) {
      void* memory = nullptr;
      EXPECT_EQ(cudaMalloc(&memory, size_t{8} << 20), cudaSuccess);
      EXPECT_EQ(cudaFree(memory), cudaSuccess);
    }
  });
  const std::shared_ptr<const Engine> engine = engine_of(kSmall, 4, Precision::Fp16);
  for (int i = 0; engine && i < 5; ++i) {
    const std::unique_ptr<Session> session = session_of(*engine);
    if (session) logits_of(*session, 1);
  }
  done = true;
}

TEST_F(GpuEngine, ABatchThatDoesNotFitIsOutOfMemoryAndASmallerOneWorks) {
  size_t free = 0, total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
  void* most = nullptr;
  size_t bytes = free - (size_t{3} << 30);  // leaves about 3 GB
  while (cudaMalloc(&most, bytes) != cudaSuccess) bytes -= size_t{256} << 20;
  cudaGetLastError();
  {
    const auto engine = try_engine(kSmall, spec_of(kSmall, 4096, Precision::Fp16));
    const auto session = engine ? (*engine)->create_session() : Result<std::unique_ptr<Session>>(engine.error());
    EXPECT_FALSE(session.ok());
    if (!session) {
      EXPECT_EQ(session.error().code, ErrorCode::OutOfMemory) << to_string(session.error());
      EXPECT_NE(session.error().hint.find("a batch of "), std::string::npos) << to_string(session.error());
    }
  }
  const std::shared_ptr<const Engine> small = engine_of(kSmall, 4, Precision::Fp16);
  cudaFree(most);
  ASSERT_NE(small, nullptr);
  EXPECT_NE(session_of(*small), nullptr);
}

TEST_F(GpuEngine, AGpuThatIsNotThereIsUnavailable) {
  EngineSpec spec = spec_of(kSmall, 1, Precision::Fp16);
  spec.device.ordinal = 63;
  const auto engine = try_engine(kSmall, spec);
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.error().code, ErrorCode::DeviceUnavailable) << to_string(engine.error());
}

}  // namespace
}  // namespace resnetft
