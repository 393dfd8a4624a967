// SPDX-License-Identifier: MIT
// The CUDA engine on a real GPU while another thread trains there with LibTorch, and takes memory as it goes.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "device/cuda_module.h"
#include "device/torch/torch_device.h"
#include "tests/gpu/gpu_required.h"
#include "tests/gpu/net_cases.h"
#include "tests/gpu/training_parts.h"
#include "tests/support/logits.h"
#include "train/torch/process_flags.h"

namespace resnetft {
namespace {

constexpr testing::NetCase kNet = {"resnet18", 224, 224};

// Learns until told to end. Each step also takes a little more memory than there was ever room for, until it takes 2
// GB.
class Trainer {
 public:
  explicit Trainer(const at::Device& gpu) : thread_([this, gpu] { train(gpu); }) {}
  ~Trainer() { ended_ = true; }

  void wait_for_step(int step) const {
    while (steps_ < step && !ended_) std::this_thread::yield();
  }
  int steps() const { return steps_; }
  // Why it could not go on, or empty.
  std::string end() {
    ended_ = true;
    thread_.join();
    return error_;
  }

 private:
  void train(const at::Device& gpu) try {
    const Recipe recipe;
    const ProcessFlags flags(recipe, gpu, Company::Others);
    const BackgroundStream stream(gpu);
    testing::LearningNet net({"resnet18", 96, 16, 4}, recipe, gpu);
    for (; !ended_; ++steps_) {
      const int64_t megabytes = 24 + steps_ % 50;
      const at::Tensor taken = at::full({megabytes << 20}, 1, at::TensorOptions().device(gpu).dtype(at::kByte));
      if (!std::isfinite(net.learn(0.001)) || taken.min().item<uint8_t>() != 1)
        throw std::runtime_error("wrong numbers");
    }
  } catch (const std::exception& failure) {
    error_ = failure.what();
    ended_ = true;
  }

  std::atomic<int> steps_ = 0;
  std::atomic<bool> ended_ = false;
  std::string error_;  // read when the thread is over
  std::jthread thread_;
};

class GpuBesideTraining : public ::testing::Test {
 protected:
  void SetUp() override {
    RESNETFT_NEEDS_GPU(torch_device({.cuda = true}));
    RESNETFT_NEEDS_GPU(cuda_module());
    RESNETFT_NEEDS_GPU((*cuda_module())->check_inference());
    gpu_ = *torch_device({.cuda = true});
  }

  static Result<std::shared_ptr<const Engine>> engine() {
    const EngineSpec spec{
        .width = kNet.width, .height = kNet.height, .max_batch = 4, .precision = Precision::Fp16, .device = {true, 0}};
    return (*cuda_module())->create_engine(testing::card_of(kNet), testing::weights_of(kNet), spec);
  }

  // Of a new session's runs, which all agree.
  static std::vector<float> logits(const Engine& engine, int runs) {
    const Result<std::unique_ptr<Session>> session = engine.create_session();
    EXPECT_TRUE(session.ok()) << (session.ok() ? "" : to_string(session.error()));
    if (!session.ok()) return {};
    testing::fill_picture((*session)->input(0), 1);
    std::vector<float> first;
    for (int run = 0; run < runs; ++run) {
      const Status status = (*session)->run(1);
      EXPECT_TRUE(status.ok()) << to_string(status.error());
      const std::vector<float> now((*session)->logits(0).begin(), (*session)->logits(0).end());
      if (run == 0) first = now;
      EXPECT_EQ(now, first) << run;
    }
    return first;
  }

  at::Device gpu_{at::kCPU};
};

TEST_F(GpuBesideTraining, GraphsAreRecordedAndGiveTheSameBits) {
  const auto before = engine();
  ASSERT_TRUE(before.ok()) << to_string(before.error());
  const std::vector<float> alone = logits(**before, 3);
  Trainer trainer(gpu_);
  trainer.wait_for_step(2);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(logits(**before, 50), alone) << i;
  for (int i = 0; i < 2; ++i) {
    const auto meanwhile = engine();  // may have chosen other algorithms
    ASSERT_TRUE(meanwhile.ok()) << to_string(meanwhile.error());
    const std::vector<float> beside = logits(**meanwhile, 3);
    ASSERT_EQ(beside.size(), alone.size());
    EXPECT_LE(testing::relative_difference(beside, alone), 1e-2);
  }
  trainer.wait_for_step(trainer.steps() + 2);
  EXPECT_EQ(trainer.end(), "");
  EXPECT_GE(trainer.steps(), 4);
}

}  // namespace
}  // namespace resnetft
