// SPDX-License-Identifier: MIT
#include "model/normalization.h"

#include <gtest/gtest.h>

#include <cmath>

namespace resnetft {
namespace {

// One layer of 8 channels. Channels 0 to 3 have means 0, 2, 4, 6 and variances 4, 9, 16, 1: m = 3, the mean of
// var + mu^2 is (4 + 13 + 32 + 37) / 4 = 21.5, so s^2 = 12.5. Channels 4 to 7 have mean 0 and variance 1.
FloatWeights layer_of_eight() {
  return {{"bn1.weight", {{8}, {2, 3, 8, 1, 1, 1, 1, 1}}},
          {"bn1.bias", {{8}, {0, 0, 1, 0, 5, 5, 5, 5}}},
          {"bn1.running_mean", {{8}, {0, 2, 4, 6, 0, 0, 0, 0}}},
          {"bn1.running_var", {{8}, {4, 9, 16, 1, 1, 1, 1, 1}}},
          {"fc.bias", {{1}, {7}}}};
}

void expect_near(const FloatTensor& tensor, const std::vector<double>& expected) {
  ASSERT_EQ(tensor.values.size(), expected.size());
  // 1e-4: the epsilon of 1e-5 is left out of the numbers worked by hand.
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(tensor.values[i], expected[i], 1e-4) << i;
}

TEST(Normalization, GroupsAreTheLargestDivisorThatLeavesFourChannels) {
  const std::pair<int64_t, int64_t> cases[] = {{3, 1},    {7, 1},   {8, 2},    {12, 3},   {16, 4},
                                               {64, 16},  {96, 24}, {100, 25}, {128, 32}, {130, 26},
                                               {136, 17}, {131, 1}, {256, 32}, {2048, 32}};
  for (const auto& [channels, groups] : cases)
    EXPECT_EQ(normalization_groups(Normalization::Group, channels), groups) << channels;
  EXPECT_EQ(normalization_groups(Normalization::Layer, 64), 1);
}

TEST(Normalization, GroupTakesEachGroupsMeanAndDeviation) {
  const Result<FloatWeights> converted =
      convert_normalization(layer_of_eight(), Normalization::Batch, Normalization::Group);
  ASSERT_TRUE(converted.ok());
  const double s = std::sqrt(12.5);
  expect_near(converted->at("bn1.weight"), {s, s, 2 * s, s, 1, 1, 1, 1});  // gamma s / sigma
  expect_near(converted->at("bn1.bias"), {3, 1, 1 - 2, -3, 5, 5, 5, 5});   // beta + gamma (3 - mu) / sigma
  EXPECT_EQ(converted->at("fc.bias").values, std::vector<float>{7});
  EXPECT_EQ(converted->size(), 3u);  // the statistics are gone
}

TEST(Normalization, LayerTakesTheMeanAndDeviationOfAllChannels) {
  const Result<FloatWeights> converted =
      convert_normalization(layer_of_eight(), Normalization::Frozen, Normalization::Layer);
  ASSERT_TRUE(converted.ok());
  // m = 12 / 8 = 1.5; the mean of var + mu^2 is (86 + 4) / 8 = 11.25; s^2 = 11.25 - 2.25 = 9.
  expect_near(converted->at("bn1.weight"), {3, 3, 6, 3, 3, 3, 3, 3});
  expect_near(converted->at("bn1.bias"), {1.5, -0.5, 1 - 5, -4.5, 6.5, 6.5, 6.5, 6.5});
}

TEST(Normalization, BatchAndFrozenHoldTheSameNumbers) {
  const Result<FloatWeights> converted =
      convert_normalization(layer_of_eight(), Normalization::Batch, Normalization::Frozen);
  ASSERT_TRUE(converted.ok());
  EXPECT_EQ(converted->size(), 5u);
  EXPECT_EQ(converted->at("bn1.running_var").values, layer_of_eight().at("bn1.running_var").values);
}

TEST(Normalization, WithoutStatisticsThereIsNoWayBack) {
  for (const Normalization to : {Normalization::Batch, Normalization::Frozen, Normalization::Group}) {
    const Result<FloatWeights> converted = convert_normalization({}, Normalization::Layer, to);
    ASSERT_FALSE(converted.ok());
    EXPECT_EQ(converted.error().code, ErrorCode::Incompatible);
    EXPECT_NE(converted.error().message.find("layer cannot become " + std::string(normalization_name(to))),
              std::string::npos);
  }
}

TEST(Normalization, ALayerThatIsNotWholeIsNamed) {
  FloatWeights weights = layer_of_eight();
  weights.erase("bn1.bias");
  const Result<FloatWeights> converted = convert_normalization(weights, Normalization::Batch, Normalization::Layer);
  ASSERT_FALSE(converted.ok());
  EXPECT_EQ(converted.error().code, ErrorCode::CorruptFile);
  EXPECT_NE(converted.error().message.find("'bn1.bias'"), std::string::npos);
  weights = layer_of_eight();
  weights.at("bn1.running_var").values.pop_back();
  EXPECT_FALSE(convert_normalization(weights, Normalization::Batch, Normalization::Layer).ok());
}

}  // namespace
}  // namespace resnetft
