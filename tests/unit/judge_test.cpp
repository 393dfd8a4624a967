// SPDX-License-Identifier: MIT
#include "infer/judge.h"

#include <gtest/gtest.h>

#include <cmath>

namespace resnetft {
namespace {

TEST(Judge, ConfidencesAreTheSoftmaxOfLogitsOverTemperature) {
  const std::vector<float> logits = {0.0f, std::log(3.0f)};
  EXPECT_NEAR(confidences(logits, 1.0)[1], 0.75, 1e-7);
  EXPECT_NEAR(confidences(logits, 0.5)[1], 0.9, 1e-7);  // 9 / (1 + 9)
}

TEST(Judge, LargeLogitsDoNotOverflow) {
  const std::vector<double> values = confidences(std::vector<float>{1e30f, -1e30f}, 1.0);
  EXPECT_EQ(values[0], 1.0);
  EXPECT_EQ(values[1], 0.0);
}

TEST(Judge, BestClassesComeFirstAndTiesByTheLowerId) {
  ModelCard card;
  card.labels = {"x", "y", "z"};
  const std::vector<ScoredClass> best = best_classes({0.3, 0.4, 0.3}, card, 0);
  ASSERT_EQ(best.size(), 3u);
  EXPECT_EQ(best[0].label, "y");
  EXPECT_EQ(best[1].label, "x");
  EXPECT_EQ(best[2].label, "z");
  EXPECT_EQ(best_classes({0.3, 0.4, 0.3}, card, 1).size(), 1u);
  EXPECT_EQ(best_classes({0.3, 0.4, 0.3}, card, 9).size(), 3u);
}

}  // namespace
}  // namespace resnetft
