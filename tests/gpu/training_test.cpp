// SPDX-License-Identifier: MIT
// What the trainer's steps make of a net on a GPU, against the CPU.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "device/torch/torch_device.h"
#include "tests/gpu/gpu_required.h"
#include "tests/gpu/training_parts.h"
#include "train/torch/device_source.h"
#include "train/torch/process_flags.h"

namespace resnetft {
namespace {

using testing::LearningNet;
using testing::TrainedShape;

constexpr double kRate = 0.01;

class GpuTraining : public ::testing::Test {
 protected:
  void SetUp() override {
    RESNETFT_NEEDS_GPU(torch_device({.cuda = true}));
    gpu_ = *torch_device({.cuda = true});
  }

  static Recipe recipe(Optimizer opt, TrainPrecision precision = TrainPrecision::Fp32) {
    Recipe recipe;
    recipe.opt = opt;
    recipe.precision = precision;
    return recipe;
  }

  // Of the steps, on the CPU where `device` says so.
  static std::vector<double> losses(const TrainedShape& shape, const Recipe& recipe, const at::Device& device,
                                    int steps) {
    const ProcessFlags flags(recipe, device);
    const BackgroundStream stream(device);
    LearningNet net(shape, recipe, device);
    std::vector<double> list;
    for (int i = 0; i < steps; ++i) list.push_back(net.learn(recipe.opt == Optimizer::Sgd ? kRate : kRate / 10));
    return list;
  }

  at::Device gpu_{at::kCPU};
};

TEST_F(GpuTraining, InFp32TheFirstStepsAreTheCpus) {
  for (const TrainedShape& shape :
       {TrainedShape{"resnet20", 32, 16, 10}, TrainedShape{"resnet18", 96, 8, 5}, TrainedShape{"resnet50", 64, 8, 5}})
    for (const Optimizer opt : {Optimizer::Sgd, Optimizer::Adam}) {
      const std::vector<double> here = losses(shape, recipe(opt), at::kCPU, 4);
      const std::vector<double> there = losses(shape, recipe(opt), gpu_, 4);
      for (size_t i = 0; i < here.size(); ++i)
        EXPECT_NEAR(there[i], here[i], 1e-3 * std::abs(here[i])) << shape.architecture << ", step " << i;
    }
}

TEST_F(GpuTraining, EveryPrecisionLearns) {
  const TrainedShape shape{"resnet18", 96, 16, 4};
  const std::vector<double> plain = losses(shape, recipe(Optimizer::Sgd), gpu_, 20);
  EXPECT_LT(plain.back(), 0.7 * plain.front());
  for (const TrainPrecision precision : {TrainPrecision::Bf16, TrainPrecision::Fp16, TrainPrecision::Tf32}) {
    const std::vector<double> list = losses(shape, recipe(Optimizer::Sgd, precision), gpu_, 20);
    EXPECT_NEAR(list.front(), plain.front(), 0.02 * plain.front()) << static_cast<int>(precision);
    EXPECT_LT(list.back(), 0.7 * list.front()) << static_cast<int>(precision);
  }
}

TEST_F(GpuTraining, DeterministicRunsHaveTheSameBits) {
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
  const TrainedShape shape{"resnet18", 96, 16, 4};
  for (const TrainPrecision precision : {TrainPrecision::Fp32, TrainPrecision::Bf16, TrainPrecision::Fp16}) {
    Recipe asked = recipe(Optimizer::Sgd, precision);
    asked.deterministic = true;
    EXPECT_EQ(losses(shape, asked, gpu_, 10), losses(shape, asked, gpu_, 10)) << static_cast<int>(precision);
  }
}

// Counts upwards, batch by batch.
class CountingSource : public BatchSource {
 public:
  Stage stage() const override { return Stage::Pictures; }
  void start(std::vector<size_t> order, uint32_t, size_t first_batch) override {
    left_ = order.size();
    next_ = static_cast<double>(first_batch);
  }
  Result<std::optional<TrainBatch>> next() override {
    if (left_ == 0) return std::optional<TrainBatch>();
    --left_;
    return std::optional<TrainBatch>(
        TrainBatch{at::full({64, 128, 128, 3}, next_++).permute({0, 3, 1, 2}), at::zeros({64}, at::kLong)});
  }

 private:
  size_t left_ = 0;
  double next_ = 0;
};

// Copies overlap the work on the batch before, so that one that came too early or too late would show.
TEST_F(GpuTraining, BatchesArriveWholeAndInTheirOrder) {
  const BackgroundStream stream(gpu_);
  const std::unique_ptr<BatchSource> source = on_device(std::make_unique<CountingSource>(), gpu_);
  for (const size_t first : {0u, 7u}) {
    std::vector<size_t> order(40);
    std::iota(order.begin(), order.end(), size_t{0});
    source->start(order, 0, first);
    double expected = static_cast<double>(first);
    for (;; ++expected) {
      Result<std::optional<TrainBatch>> batch = source->next();
      ASSERT_TRUE(batch.ok());
      if (!*batch) break;
      EXPECT_TRUE((*batch)->input.is_cuda());
      EXPECT_TRUE((*batch)->input.is_contiguous(at::MemoryFormat::ChannelsLast));
      const at::Tensor worked = ((*batch)->input + 1).mul_(2);
      EXPECT_EQ(worked.min().item<double>(), 2 * (expected + 1));
      EXPECT_EQ(worked.max().item<double>(), 2 * (expected + 1));
    }
    EXPECT_EQ(expected, static_cast<double>(first) + 40);
  }
}

}  // namespace
}  // namespace resnetft
