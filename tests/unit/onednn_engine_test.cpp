// SPDX-License-Identifier: MIT
// The oneDNN engine against the definition of its nets (support/direct_network.h), and against itself.
#include "infer/onednn/onednn_engine.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <fstream>
#include <mutex>
#include <thread>

#include "resnetft/log.h"
#include "tests/support/direct_network.h"

namespace resnetft {
namespace {

using testing::Values;

// Of the largest logit: float32 against double over 20 to 50 layers stays below 1e-5; a wrong layer is off by 1e-1.
constexpr double kTolerance = 1e-4;

ModelCard card_of(std::string_view architecture, int64_t classes = 10) {
  ModelCard card;
  card.architecture = architecture;
  card.num_classes = classes;
  return card;
}

Values random_picture(const EngineSpec& spec, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Values picture(static_cast<size_t>(3 * spec.width * spec.height));
  for (double& value : picture) value = normal(random);
  return picture;
}

// `picture` is [3, height, width].
void put(const Engine& engine, Session& session, int index, const Values& picture) {
  const std::span<float> input = session.input(index);
  ASSERT_EQ(input.size(), picture.size());
  const size_t plane = picture.size() / 3;
  for (size_t c = 0; c < 3; ++c)
    for (size_t i = 0; i < plane; ++i)
      input[engine.layout() == TensorLayout::Nhwc ? i * 3 + c : c * plane + i] =
          static_cast<float>(picture[c * plane + i]);
}

std::vector<float> copy(std::span<const float> values) { return {values.begin(), values.end()}; }

double largest_of(const Values& values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

void expect_near(std::span<const float> actual, const Values& expected, double tolerance, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  double worst = 0;
  for (size_t i = 0; i < expected.size(); ++i) worst = std::max(worst, std::abs(actual[i] - expected[i]));
  EXPECT_LE(worst, tolerance * largest_of(expected)) << what;
}

std::shared_ptr<const Engine> engine_of(std::string_view architecture, const EngineSpec& spec, unsigned seed = 3) {
  Result<std::shared_ptr<const Engine>> engine =
      create_onednn_engine(card_of(architecture), testing::trained_weights(architecture, 10, seed), spec);
  EXPECT_TRUE(engine.ok()) << (engine.ok() ? "" : to_string(engine.error()));
  return engine.ok() ? *engine : nullptr;
}

struct Net {
  const char* architecture;
  int width, height;
};

void PrintTo(const Net& net, std::ostream* out) { *out << net.architecture << " " << net.width << "x" << net.height; }

class OnednnEngineOf : public ::testing::TestWithParam<Net> {};

TEST_P(OnednnEngineOf, AgreesWithTheDefinitionAtBatches1And3And8) {
  const Net net = GetParam();
  const EngineSpec spec{.width = net.width, .height = net.height, .max_batch = 8, .threads = 2};
  const FloatWeights weights = testing::trained_weights(net.architecture, 10, 3);
  const Network network = build_network(*find_architecture(net.architecture), net.width, net.height, 10).value();
  const std::shared_ptr<const Engine> engine = engine_of(net.architecture, spec);
  ASSERT_NE(engine, nullptr);
  std::vector<testing::DirectResult> expected;
  for (unsigned i = 0; i < 8; ++i) expected.push_back(testing::run_directly(network, weights, random_picture(spec, i)));
  const std::unique_ptr<Session> session = engine->create_session().value();
  for (const int batch : {1, 3, 8}) {
    for (int i = 0; i < batch; ++i) put(*engine, *session, i, random_picture(spec, static_cast<unsigned>(i)));
    ASSERT_TRUE(session->run(batch).ok());
    for (int i = 0; i < batch; ++i) {
      const std::string what = "picture " + std::to_string(i) + " of " + std::to_string(batch);
      expect_near(session->logits(i), expected[static_cast<size_t>(i)].logits, kTolerance, "logits, " + what);
      expect_near(session->embedding(i), expected[static_cast<size_t>(i)].embedding, kTolerance, "features, " + what);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Nets, OnednnEngineOf,
                         ::testing::Values(Net{"resnet20", 32, 32}, Net{"resnet20", 45, 33}, Net{"resnet18", 64, 64},
                                           Net{"resnet50", 33, 47}, Net{"resnext50_32x4d", 32, 32}));

TEST(OnednnEngine, FourSessionsInFourThreadsGiveTheBitsOfOneThread) {
  const EngineSpec spec{.width = 64, .height = 64, .max_batch = 3, .threads = 2};
  const std::shared_ptr<const Engine> engine = engine_of("resnet18", spec);
  ASSERT_NE(engine, nullptr);
  constexpr unsigned kPictures = 24;
  const auto judge = [&](unsigned first, unsigned step, std::vector<std::vector<float>>& results) {
    const std::unique_ptr<Session> session = engine->create_session().value();
    for (unsigned i = first; i < kPictures; i += step) {
      put(*engine, *session, 0, random_picture(spec, i));
      if (session->run(1)) results[i] = copy(session->logits(0));
    }
  };
  std::vector<std::vector<float>> alone(kPictures), together(kPictures);
  judge(0, 1, alone);
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < 4; ++t) threads.emplace_back([&, t] { judge(t, 4, together); });
  threads.clear();
  ASSERT_EQ(alone.back().size(), 10u);
  EXPECT_NE(alone.front(), alone.back());
  EXPECT_EQ(together, alone);
}

TEST(OnednnEngine, APictureGetsTheSameBitsWhateverItIsBatchedWith) {
  const EngineSpec spec{.width = 64, .height = 48, .max_batch = 7, .threads = 2};
  for (const char* architecture : {"resnet20", "resnet18", "resnet50"}) {
    const std::shared_ptr<const Engine> engine = engine_of(architecture, spec);
    ASSERT_NE(engine, nullptr);
    const std::unique_ptr<Session> session = engine->create_session().value();
    for (int i = 0; i < 7; ++i) put(*engine, *session, i, random_picture(spec, static_cast<unsigned>(i)));
    ASSERT_TRUE(session->run(7).ok());
    std::vector<std::vector<float>> together;
    for (int i = 0; i < 7; ++i) together.push_back(copy(session->logits(i)));
    for (int i = 0; i < 7; ++i) {
      put(*engine, *session, 0, random_picture(spec, static_cast<unsigned>(i)));
      ASSERT_TRUE(session->run(1).ok());
      EXPECT_EQ(copy(session->logits(0)), together[static_cast<size_t>(i)]) << architecture << ", picture " << i;
    }
  }
}

TEST(OnednnEngine, TwoEnginesOfOneNetGiveTheSameBitsWhateverTheirLargestBatch) {
  EngineSpec spec{.width = 64, .height = 64, .max_batch = 1, .threads = 2};
  std::vector<std::vector<float>> logits;
  for (const int max_batch : {1, 8}) {
    spec.max_batch = max_batch;
    const std::shared_ptr<const Engine> engine = engine_of("resnet18", spec);
    ASSERT_NE(engine, nullptr);
    const std::unique_ptr<Session> session = engine->create_session().value();
    put(*engine, *session, 0, random_picture(spec, 1));
    ASSERT_TRUE(session->run(1).ok());
    logits.push_back(copy(session->logits(0)));
  }
  EXPECT_EQ(logits[0], logits[1]);
}

TEST(OnednnEngine, ASessionKeepsItsEngineAlive) {
  const EngineSpec spec{.width = 32, .height = 32};
  std::shared_ptr<const Engine> engine = engine_of("resnet20", spec);
  ASSERT_NE(engine, nullptr);
  const std::weak_ptr<const Engine> watch = engine;
  std::unique_ptr<Session> session = engine->create_session().value();
  put(*engine, *session, 0, random_picture(spec, 1));
  engine.reset();
  EXPECT_TRUE(session->run(1).ok());
  EXPECT_FALSE(watch.expired());
  session.reset();
  EXPECT_TRUE(watch.expired());
}

int64_t resident_bytes() {
  std::string line;
  for (std::ifstream status("/proc/self/status"); std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::stoll(line.substr(6)) * 1024;
  return 0;
}

TEST(OnednnEngine, RunsTakeNoMoreMemory) {
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);  // else the kernel may make huge pages, 2 MiB each, of what is there
  const EngineSpec spec{.width = 64, .height = 64, .max_batch = 5};
  const std::shared_ptr<const Engine> engine = engine_of("resnet20", spec);
  ASSERT_NE(engine, nullptr);
  const std::unique_ptr<Session> session = engine->create_session().value();
  const auto run = [&](int times) {
    for (int i = 0; i < times; ++i) ASSERT_TRUE(session->run(1 + i % 5).ok());
  };
  run(20);
  const int64_t before = resident_bytes();
  ASSERT_GT(before, 0);
  run(500);
  EXPECT_LE(resident_bytes() - before, 1 << 20);
}

TEST(OnednnEngine, ABatchOutsideTheSessionsRangeIsRefused) {
  const std::shared_ptr<const Engine> engine = engine_of("resnet20", {.width = 32, .height = 32, .max_batch = 2});
  ASSERT_NE(engine, nullptr);
  const std::unique_ptr<Session> session = engine->create_session().value();
  for (const int batch : {-1, 0, 3}) {
    const Status status = session->run(batch);
    ASSERT_FALSE(status.ok()) << batch;
    EXPECT_EQ(status.error().code, ErrorCode::InvalidArgument);
    EXPECT_NE(status.error().hint.find("1 to 2"), std::string::npos) << status.error().hint;
  }
}

TEST(OnednnEngine, LayerAndGroupNormalisationAreIncompatibleAndSentToTheReference) {
  ModelCard card = card_of("resnet20");
  const FloatWeights weights = testing::random_weights("resnet20", 10, 1);
  for (const Normalization normalization : {Normalization::Layer, Normalization::Group}) {
    card.normalization = normalization;
    const Result<std::shared_ptr<const Engine>> engine =
        create_onednn_engine(card, weights, {.width = 32, .height = 32});
    ASSERT_FALSE(engine.ok());
    EXPECT_EQ(engine.error().code, ErrorCode::Incompatible);
    EXPECT_NE(engine.error().hint.find("reference"), std::string::npos) << engine.error().hint;
  }
}

TEST(OnednnEngine, FrozenNormalisationIsBatchNormalisation) {
  const EngineSpec spec{.width = 32, .height = 32};
  const FloatWeights weights = testing::trained_weights("resnet20", 10, 1);
  std::vector<std::vector<float>> logits;
  for (const Normalization normalization : {Normalization::Batch, Normalization::Frozen}) {
    ModelCard card = card_of("resnet20");
    card.normalization = normalization;
    const std::shared_ptr<const Engine> engine = create_onednn_engine(card, weights, spec).value();
    const std::unique_ptr<Session> session = engine->create_session().value();
    put(*engine, *session, 0, random_picture(spec, 1));
    ASSERT_TRUE(session->run(1).ok());
    logits.push_back(copy(session->logits(0)));
  }
  EXPECT_EQ(logits[0], logits[1]);
}

TEST(OnednnEngine, WeightsOfAnotherNetAreIncompatibleAndNameATensor) {
  const FloatWeights weights = testing::random_weights("resnet20", 9, 1);
  const Result<std::shared_ptr<const Engine>> engine =
      create_onednn_engine(card_of("resnet20"), weights, {.width = 32, .height = 32});
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.error().code, ErrorCode::Incompatible);
  EXPECT_NE(engine.error().message.find("linear.weight"), std::string::npos) << engine.error().message;
}

TEST(OnednnEngine, ImpossibleSpecsAreRefused) {
  const FloatWeights weights = testing::random_weights("resnet20", 10, 1);
  for (const EngineSpec& spec : {EngineSpec{.width = 31}, EngineSpec{.max_batch = 0}, EngineSpec{.threads = 0}}) {
    const Result<std::shared_ptr<const Engine>> engine = create_onednn_engine(card_of("resnet20"), weights, spec);
    ASSERT_FALSE(engine.ok());
    EXPECT_EQ(engine.error().code, ErrorCode::InvalidArgument);
  }
}

// bf16 has 8 bits of mantissa: about 1 % of the largest logit after 20 layers.
TEST(OnednnEngine, Bf16IsNearFp32AndWarnsOnceWhereItIsEmulated) {
  std::vector<std::string> warnings;
  set_log_sink([&](LogLevel level, std::string_view line) {
    if (level == LogLevel::Warning) warnings.emplace_back(line);
  });
  EngineSpec spec{.width = 32, .height = 32, .max_batch = 3};
  std::vector<std::vector<float>> logits;
  for (const Precision precision : {Precision::Fp32, Precision::Bf16}) {
    spec.precision = precision;
    const Result<std::shared_ptr<const Engine>> engine =
        create_onednn_engine(card_of("resnet20"), testing::trained_weights("resnet20", 10, 1), spec);
    if (!engine && engine.error().code == ErrorCode::Incompatible) {
      set_log_sink({});
      GTEST_SKIP() << "not tested: this processor cannot run bf16 at all: " << engine.error().message;
    }
    ASSERT_TRUE(engine.ok());
    const std::unique_ptr<Session> session = (*engine)->create_session().value();
    for (int i = 0; i < 3; ++i) put(**engine, *session, i, random_picture(spec, static_cast<unsigned>(i)));
    ASSERT_TRUE(session->run(3).ok());
    logits.push_back(copy(session->logits(2)));
  }
  set_log_sink({});
  EXPECT_EQ(warnings.size(), __builtin_cpu_supports("avx512bf16") ? 0u : 1u);
  EXPECT_NE(logits[0], logits[1]);
  expect_near(logits[1], Values(logits[0].begin(), logits[0].end()), 0.05, "bf16");
}

}  // namespace
}  // namespace resnetft
