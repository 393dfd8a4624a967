// SPDX-License-Identifier: MIT
#include "live/reservoir.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "live/sample.h"

namespace resnetft {
namespace {

TEST(Reservoir, KeepsAllWhileThereIsRoomAndCountsExactly) {
  Reservoir reservoir({.capacity = 3, .max_bytes = 100});
  EXPECT_TRUE(reservoir.offer(1, "a", 30).kept);
  EXPECT_TRUE(reservoir.offer(2, "a", 30).kept);
  EXPECT_TRUE(reservoir.offer(3, "b", 40).kept);
  EXPECT_EQ(reservoir.size(), 3u);
  EXPECT_EQ(reservoir.bytes(), 100u);
  EXPECT_EQ(reservoir.held("a"), 2u);
  EXPECT_EQ(reservoir.held("b"), 1u);
  EXPECT_EQ(reservoir.held("c"), 0u);
}

TEST(Reservoir, ANewcomerOfASmallerClassTakesAPlaceOfTheLargest) {
  Reservoir reservoir({.capacity = 3});
  for (uint64_t id = 1; id <= 3; ++id) reservoir.offer(id, "a", 1);
  for (uint64_t id = 4; id <= 5; ++id) {
    const Reservoir::Placement placement = reservoir.offer(id, id == 4 ? "b" : "c", 1);
    EXPECT_TRUE(placement.kept);
    ASSERT_EQ(placement.evicted.size(), 1u);
    EXPECT_LE(placement.evicted[0], 3u);
  }
  EXPECT_EQ(reservoir.held("a"), 1u);
  EXPECT_EQ(reservoir.evicted(), 2u);
}

// 100,000 of a, 100 of b, capacity 100: halves.
TEST(Reservoir, BalancesClassesHoweverUnequalTheStreamIs) {
  Reservoir reservoir({.capacity = 100});
  for (uint64_t id = 1; id <= 100'100; ++id) reservoir.offer(id, id % 1001 == 0 ? "b" : "a", 10);
  EXPECT_EQ(reservoir.size(), 100u);
  EXPECT_EQ(reservoir.bytes(), 1000u);
  EXPECT_EQ(reservoir.held("b"), 50u);
  EXPECT_EQ(reservoir.offered(), 100'100u);
  EXPECT_EQ(reservoir.offered(), reservoir.size() + reservoir.evicted() + reservoir.refused());
}

// One class, 40 places for 400 samples: each is kept with probability 0.1. Over 500 seeds the count of each quarter of
// the stream is binomial around 500 * 10.
TEST(Reservoir, OldAndNewSamplesOfAClassAreKeptEquallyOften) {
  std::map<uint64_t, int> kept;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    Reservoir reservoir({.capacity = 40, .seed = seed});
    std::set<uint64_t> there;
    for (uint64_t id = 0; id < 400; ++id) {
      const Reservoir::Placement placement = reservoir.offer(id, "a", 1);
      for (const uint64_t gone : placement.evicted) there.erase(gone);
      if (placement.kept) there.insert(id);
    }
    ASSERT_EQ(there.size(), 40u);
    for (const uint64_t id : there) ++kept[id / 100];
  }
  for (const auto& [quarter, count] : kept) EXPECT_NEAR(count, 5000, 5 * std::sqrt(500 * 100 * 0.1 * 0.9));
}

TEST(Reservoir, StaysWithinItsBytes) {
  Reservoir reservoir({.capacity = 100, .max_bytes = 50});
  for (uint64_t id = 1; id <= 5; ++id) reservoir.offer(id, "a", 10);
  const Reservoir::Placement placement = reservoir.offer(6, "b", 25);
  EXPECT_TRUE(placement.kept);
  EXPECT_EQ(placement.evicted.size(), 3u);
  EXPECT_EQ(reservoir.bytes(), 45u);
  EXPECT_EQ(reservoir.size(), 3u);
  EXPECT_FALSE(reservoir.offer(7, "c", 51).kept);
  EXPECT_EQ(reservoir.bytes(), 45u);
  EXPECT_EQ(reservoir.refused(), 1u);
}

TEST(Reservoir, FifoDropsTheOldestOfAnyClass) {
  Reservoir reservoir({.policy = ReplayPolicy::Fifo, .capacity = 2});
  reservoir.offer(1, "a", 1);
  reservoir.offer(2, "b", 1);
  EXPECT_EQ(reservoir.offer(3, "b", 1).evicted, std::vector<uint64_t>{1});
  EXPECT_EQ(reservoir.offer(4, "b", 1).evicted, std::vector<uint64_t>{2});
}

TEST(Reservoir, RestoresAndErases) {
  Reservoir reservoir({.capacity = 2});
  reservoir.restore(4, "a", 7);
  reservoir.restore(9, "b", 5);
  EXPECT_EQ(reservoir.bytes(), 12u);
  reservoir.erase(4);
  reservoir.erase(4);
  EXPECT_EQ(reservoir.size(), 1u);
  EXPECT_EQ(reservoir.bytes(), 5u);
  EXPECT_TRUE(reservoir.offer(10, "b", 1).evicted.empty());
}

TEST(Reservoir, TheSameSeedMakesTheSameChoices) {
  const auto choices = [](uint64_t seed) {
    Reservoir reservoir({.capacity = 5, .seed = seed});
    std::vector<uint64_t> gone;
    for (uint64_t id = 1; id < 100; ++id)
      for (const uint64_t evicted : reservoir.offer(id, id % 3 == 0 ? "b" : "a", 1).evicted) gone.push_back(evicted);
    return gone;
  };
  EXPECT_EQ(choices(1), choices(1));
  EXPECT_NE(choices(1), choices(2));
}

// The angle between (1, 0) and (1, 1) has the cosine 1 / sqrt 2; length does not matter.
TEST(Sample, DistanceOfFeaturesIsOneLessTheCosine) {
  const std::vector<float> x = {1, 0}, diagonal = {3, 3}, y = {0, 2}, zero = {0, 0};
  EXPECT_NEAR(feature_distance(x, diagonal), 1 - std::sqrt(0.5), 1e-12);
  EXPECT_NEAR(feature_distance(x, y), 1, 1e-12);
  EXPECT_NEAR(feature_distance(diagonal, diagonal), 0, 1e-12);
  EXPECT_EQ(feature_distance(zero, zero), 0);
  EXPECT_EQ(feature_distance(zero, x), 1);
}

TEST(Sample, MarginIsTheLeadOfTheFirstClass) {
  EXPECT_NEAR(margin(std::vector<double>{0.2, 0.5, 0.3}), 0.2, 1e-12);
  EXPECT_NEAR(margin(std::vector<double>{0.5, 0.5}), 0, 1e-12);
  EXPECT_EQ(margin(std::vector<double>{1}), 1);
}

TEST(Sample, CountsFeaturePictureAndLabel) {
  Sample sample;
  sample.label = "cat";
  sample.feature = {1, 2};
  EXPECT_EQ(sample_bytes(sample), 11u);
  sample.picture = std::make_shared<SmallPicture>(SmallPicture{2, 1, {1, 2, 3, 4, 5, 6}});
  EXPECT_EQ(sample_bytes(sample), 17u);
}

}  // namespace
}  // namespace resnetft
