// SPDX-License-Identifier: MIT
#include "train/torch/loss_scaler.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

namespace resnetft {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool step(LossScaler& scaler, float gradient) {
  std::vector<at::Tensor> gradients = {at::full({3}, gradient), at::ones({2})};
  return scaler.unscale(gradients).item<float>() == 0;
}

TEST(LossScaler, DividesGradientsByWhatTheLossWasMultipliedWith) {
  LossScaler scaler(at::kCPU);
  EXPECT_EQ(scaler.scale(), 65536);
  EXPECT_EQ(scaler.scaled(at::scalar_tensor(0.5)).item<double>(), 32768);
  std::vector<at::Tensor> gradients = {at::tensor({65536.0f, -131072.0f}), at::tensor({16384.0f})};
  EXPECT_EQ(scaler.unscale(gradients).item<float>(), 0);
  EXPECT_TRUE(gradients[0].equal(at::tensor({1.0f, -2.0f})));
  EXPECT_TRUE(gradients[1].equal(at::tensor({0.25f})));
}

// torch.amp.GradScaler's rules, worked out by hand: the scale is halved at once, and doubled after 2,000 good steps on
// end, which an overflow counts anew.
TEST(LossScaler, IsHalvedByAnOverflowAndDoubledAfterTwoThousandGoodSteps) {
  LossScaler scaler(at::kCPU);
  EXPECT_FALSE(step(scaler, kInfinity));
  EXPECT_EQ(scaler.scale(), 32768);
  EXPECT_FALSE(step(scaler, std::numeric_limits<float>::quiet_NaN()));
  EXPECT_EQ(scaler.scale(), 16384);
  for (int i = 0; i < 1999; ++i) ASSERT_TRUE(step(scaler, 1));
  EXPECT_EQ(scaler.scale(), 16384);
  EXPECT_FALSE(step(scaler, -kInfinity));
  EXPECT_EQ(scaler.scale(), 8192);
  for (int i = 0; i < 1999; ++i) ASSERT_TRUE(step(scaler, 1));
  EXPECT_EQ(scaler.scale(), 8192);
  ASSERT_TRUE(step(scaler, 1));
  EXPECT_EQ(scaler.scale(), 16384);
}

TEST(LossScaler, GoesOnFromItsState) {
  LossScaler first(at::kCPU), second(at::kCPU);
  step(first, kInfinity);
  for (int i = 0; i < 1500; ++i) step(first, 1);
  second.restore(first.state());
  EXPECT_EQ(second.scale(), 32768);
  for (int i = 0; i < 500; ++i) step(second, 1);
  EXPECT_EQ(second.scale(), 65536);
}

TEST(LossScaler, CollapsesWhereNoScaleHelps) {
  LossScaler scaler(at::kCPU);
  int steps = 0;
  for (; !scaler.has_collapsed() && steps < 100; ++steps) step(scaler, kInfinity);
  EXPECT_EQ(steps, 27);  // 2^16 to 2^-11
}

}  // namespace
}  // namespace resnetft
