// SPDX-License-Identifier: MIT
#include "infer/onednn/choice.h"

#include <gtest/gtest.h>

#include <thread>

#include "device/thread_budget.h"
#include "infer/onednn/onednn_session.h"
#include "tests/support/direct_network.h"

namespace resnetft::onednn {
namespace {

constexpr int kSide = 64;

Target target() { return {dnnl::engine(dnnl::engine::kind::cpu, 0), dnnl::memory::data_type::f32}; }

Implementations chosen(const char* architecture) {
  return choose_implementations(*find_architecture(architecture), kSide, kSide, target());
}

std::vector<float> logits_with(const char* architecture, const Implementations& implementations) {
  const FloatWeights weights = testing::trained_weights(architecture, 10, 5);
  const Network network = build_network(*find_architecture(architecture), kSide, kSide, 10).value();
  const Target here = target();
  MemoryPool pool;
  WeightStore store(network, weights, here.engine, pool);
  ThreadBudget(2).apply();
  std::vector<Plan> plans;
  plans.push_back(build_plan(network, here, implementations, 2, store).value());
  const SessionShape shape{3 * kSide * kSide, static_cast<size_t>(network.layers.back().src_extent.channels), 10, 2, 2};
  const std::unique_ptr<Session> session = create_onednn_session(nullptr, here.engine, plans, shape).value();
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const int picture : {0, 1})
    for (float& value : session->input(picture)) value = normal(random);
  EXPECT_TRUE(session->run(2).ok());
  const std::span<const float> logits = session->logits(1);
  return {logits.begin(), logits.end()};
}

TEST(OnednnChoice, TheChosenImplementationsGiveTheBitsOfTheFavourites) {
  for (const char* architecture : {"resnet20", "resnet18", "resnet50"}) {
    const Implementations favourites(chosen(architecture).size());
    EXPECT_EQ(logits_with(architecture, chosen(architecture)), logits_with(architecture, favourites)) << architecture;
  }
}

TEST(OnednnChoice, EveryConvolutionGetsAnImplementationAndNothingElseDoes) {
  const Network network = build_network(*find_architecture("resnet20"), kSide, kSide, 10).value();
  const Implementations implementations = chosen("resnet20");
  ASSERT_EQ(implementations.size(), network.layers.size());
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const LayerKind kind = network.layers[i].kind;
    const bool convolution = kind == LayerKind::Convolution || kind == LayerKind::OptionAShortcut;
    EXPECT_EQ(implementations[i].empty(), !convolution) << "layer " << i;
  }
}

TEST(OnednnChoice, AllThreadsGetOneAnswer) {
  std::vector<Implementations> answers(4);
  std::vector<std::jthread> threads;
  for (Implementations& answer : answers) threads.emplace_back([&] { answer = chosen("resnet34"); });
  threads.clear();
  for (const Implementations& answer : answers) EXPECT_EQ(answer, answers.front());
}

}  // namespace
}  // namespace resnetft::onednn
