// SPDX-License-Identifier: MIT
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>

#include "infer/reference/reference_engine.h"
#include "model/torch/resnet_weights.h"
#include "tests/support/tiny_model.h"

namespace resnetft {
namespace {

using EngineResult = Result<std::shared_ptr<const Engine>>;

struct Net {
  ModelCard card;
  FloatWeights weights;
};

Net drawn_net(const std::string& name, int64_t classes, Normalization normalization = Normalization::Batch) {
  at::manual_seed(1);
  ResNet net(*find_architecture(name), classes, normalization);
  net.draw_initial_weights();
  Net drawn;
  drawn.card.architecture = name;
  drawn.card.num_classes = classes;
  drawn.card.normalization = normalization;
  drawn.weights = extract_weights(net);
  return drawn;
}

std::unique_ptr<Session> session_of(const Net& net, const EngineSpec& spec) {
  EngineResult engine = create_reference_engine(net.card, net.weights, spec);
  EXPECT_TRUE(engine.ok()) << to_string(engine.error());
  return (*engine)->create_session().value();
}

// Pictures that differ with their number.
void fill(std::span<float> input, int picture) {
  for (size_t i = 0; i < input.size(); ++i)
    input[i] = std::sin(0.01f * static_cast<float>(i % 7919) * static_cast<float>(picture + 1));
}

std::vector<float> copy(std::span<const float> values) { return {values.begin(), values.end()}; }

double distance(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(a[i]) - b[i]));
  return worst;
}

double largest(std::span<const float> values) {
  double result = 0;
  for (const float value : values) result = std::max(result, std::abs(static_cast<double>(value)));
  return result;
}

TEST(ReferenceEngine, GivesTheModulesOwnLogitsAndFeatures) {
  const Net net = drawn_net("resnet20", 4);
  EngineResult engine = create_reference_engine(net.card, net.weights, {.width = 48, .height = 32, .max_batch = 2});
  ASSERT_TRUE(engine.ok()) << to_string(engine.error());
  EXPECT_EQ((*engine)->name(), "reference");
  EXPECT_EQ((*engine)->layout(), TensorLayout::Nchw);
  const std::unique_ptr<Session> session = (*engine)->create_session().value();
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(session->input(i).size(), 3u * 32 * 48);
    fill(session->input(i), i);
  }
  ASSERT_TRUE(session->run(2).ok());

  const c10::InferenceMode inference;
  ResNet module(*find_architecture("resnet20"), 4, Normalization::Batch);
  ASSERT_TRUE(load_weights(module, net.weights).ok());
  module.eval();
  const at::Tensor pictures = at::empty({2, 3, 32, 48});
  float* values = pictures.mutable_data_ptr<float>();
  for (int i = 0; i < 2; ++i) fill({values + i * 3 * 32 * 48, 3 * 32 * 48}, i);
  const at::Tensor features = module.features(pictures);
  const at::Tensor logits = module.logits(features);
  for (int i = 0; i < 2; ++i) {
    // Exact but for the order of sums, which the number of threads may change.
    EXPECT_LE(distance(session->logits(i), {logits.const_data_ptr<float>() + i * 4, 4}), 1e-5);
    EXPECT_LE(distance(session->embedding(i), {features.const_data_ptr<float>() + i * 64, 64}), 1e-5);
  }
}

TEST(ReferenceEngine, APictureHasTheSameAnswerInEveryBatch) {
  for (const Normalization normalization :
       {Normalization::Batch, Normalization::Frozen, Normalization::Layer, Normalization::Group}) {
    const std::unique_ptr<Session> session =
        session_of(drawn_net("resnet18", 10, normalization), {.width = 64, .height = 64, .max_batch = 8});
    for (int i = 0; i < 8; ++i) fill(session->input(i), i);
    ASSERT_TRUE(session->run(1).ok());
    const std::vector<float> alone = copy(session->logits(0));
    for (const int batch : {3, 8}) {
      ASSERT_TRUE(session->run(batch).ok());
      EXPECT_LE(distance(session->logits(0), alone), 1e-5 * largest(alone));
      EXPECT_GT(distance(session->logits(1), alone), 1e-3 * largest(alone)) << "pictures are mixed up";
    }
  }
}

TEST(ReferenceEngine, RunsTheSizesOfTheDesign) {
  const Net net = drawn_net("resnet18", 3);
  for (const auto& [width, height] : {std::pair{32, 32}, {299, 299}, {288, 160}}) {
    const std::unique_ptr<Session> session = session_of(net, {.width = width, .height = height});
    fill(session->input(0), 0);
    ASSERT_TRUE(session->run(1).ok());
    EXPECT_EQ(session->logits(0).size(), 3u);
    EXPECT_EQ(session->embedding(0).size(), 512u);
    EXPECT_GT(largest(session->logits(0)), 0.0);
  }
}

TEST(ReferenceEngine, FourSessionsInFourThreadsGiveTheBitsOfOne) {
  const Net net = drawn_net("resnet20", 10);
  EngineResult engine = create_reference_engine(net.card, net.weights, {.width = 32, .height = 32});
  ASSERT_TRUE(engine.ok());
  constexpr int kPictures = 16;
  const auto answers = [&] {
    std::vector<std::vector<float>> logits;
    const std::unique_ptr<Session> session = (*engine)->create_session().value();
    for (int i = 0; i < kPictures; ++i) {
      fill(session->input(0), i);
      if (!session->run(1).ok()) break;
      logits.push_back(copy(session->logits(0)));
    }
    return logits;
  };
  std::vector<std::vector<float>> expected;
  std::thread([&] { expected = answers(); }).join();
  ASSERT_EQ(expected.size(), static_cast<size_t>(kPictures));
  std::vector<std::vector<std::vector<float>>> found(4);
  std::vector<std::thread> threads;
  for (auto& logits : found) threads.emplace_back([&] { logits = answers(); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& logits : found) EXPECT_EQ(logits, expected);
}

TEST(ReferenceEngine, SessionsOutliveTheLastPointerToTheirEngine) {
  std::unique_ptr<Session> session = session_of(drawn_net("resnet20", 3), {.width = 32, .height = 32});
  fill(session->input(0), 0);
  ASSERT_TRUE(session->run(1).ok());
  EXPECT_GT(largest(session->logits(0)), 0.0);
}

TEST(ReferenceEngine, IsWhatTheEngineTableOpensByName) {
  const std::shared_ptr<const Model> model = testing::tiny_model(5);
  const EngineSpec spec{.width = 32, .height = 32, .threads = 1};
  const EngineResult by_name = create_engine("reference", *model, spec);  // from libresnetft-torch.so
  ASSERT_TRUE(by_name.ok()) << to_string(by_name.error());
  const EngineResult linked = create_reference_engine(model->card(), **model->weights(), spec);
  ASSERT_TRUE(linked.ok());
  std::vector<std::vector<float>> logits;
  for (const EngineResult* engine : {&by_name, &linked}) {
    const std::unique_ptr<Session> session = (**engine)->create_session().value();
    fill(session->input(0), 2);
    ASSERT_TRUE(session->run(1).ok());
    logits.push_back(copy(session->logits(0)));
  }
  EXPECT_EQ(logits[0].size(), 3u);
  EXPECT_EQ(logits[0], logits[1]);
}

TEST(ReferenceEngine, Bf16IsNearFp32AndNotTheSame) {
  const Net net = drawn_net("resnet20", 10);
  const auto logits_in = [&](Precision precision) {
    const std::unique_ptr<Session> session = session_of(net, {.width = 32, .height = 32, .precision = precision});
    fill(session->input(0), 3);
    EXPECT_TRUE(session->run(1).ok());
    return copy(session->logits(0));
  };
  const std::vector<float> fp32 = logits_in(Precision::Fp32), bf16 = logits_in(Precision::Bf16);
  // bfloat16 keeps 8 bits: 0.4 % a step, over 20 layers.
  EXPECT_LE(distance(fp32, bf16), 0.05 * largest(fp32));
  EXPECT_GT(distance(fp32, bf16), 0.0);
}

TEST(ReferenceEngine, BatchesOutsideTheSpecAreRefused) {
  const std::unique_ptr<Session> session =
      session_of(drawn_net("resnet20", 3), {.width = 32, .height = 32, .max_batch = 2});
  for (const int batch : {-1, 0, 3}) {
    const Status status = session->run(batch);
    ASSERT_FALSE(status.ok()) << batch;
    EXPECT_EQ(status.error().code, ErrorCode::Internal);
  }
}

TEST(ReferenceEngine, ASpecWithoutPixelsIsRefusedByItsName) {
  const Net net = drawn_net("resnet20", 3);
  const EngineResult engine = create_reference_engine(net.card, net.weights, {.width = 32, .height = 0});
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.error().code, ErrorCode::InvalidArgument);
  EXPECT_NE(engine.error().message.find("height of 0"), std::string::npos);
}

TEST(ReferenceEngine, WeightsOfAnotherNetAreIncompatible) {
  Net net = drawn_net("resnet20", 3);
  net.card.num_classes = 4;
  const EngineResult engine = create_reference_engine(net.card, net.weights, {.width = 32, .height = 32});
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.error().code, ErrorCode::Incompatible);
}

TEST(ReferenceEngine, ASessionLargerThanAllMemoryIsOutOfMemory) {
  // 3 * 30000 * 30000 * 4 bytes a picture: 20,000 of them are more than x86-64 can address.
  const Net net = drawn_net("resnet20", 3);
  EngineResult engine =
      create_reference_engine(net.card, net.weights, {.width = 30000, .height = 30000, .max_batch = 20000});
  ASSERT_TRUE(engine.ok());
  const Result<std::unique_ptr<Session>> session = (*engine)->create_session();
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.error().code, ErrorCode::OutOfMemory);
}

}  // namespace
}  // namespace resnetft
