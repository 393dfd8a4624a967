// SPDX-License-Identifier: MIT
// The known answers are those that Random123 publishes for its Philox-4x32-10 (kat_vectors).
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

#include "data/augmentation.h"
#include "data/philox.h"

namespace resnetft {
namespace {

using Block = std::array<uint32_t, 4>;

TEST(CounterRandom, PhiloxGivesThePublishedAnswers) {
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32_10({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(CounterRandom, TheCounterIsStreamEpochIndexAndDraw) {
  CounterRandom random(0x0807060504030201u, 9, 10, 11);
  for (uint32_t draw = 0; draw < 3; ++draw)
    for (const uint32_t expected : philox4x32_10({9, 10, 11, draw}, {0x04030201, 0x08070605}))
      EXPECT_EQ(random.next_u32(), expected);
}

// Mean and standard deviation of 100,000 draws.
std::pair<double, double> moments(const std::function<double()>& draw) {
  constexpr int kDraws = 100000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = draw();
    sum += value;
    squares += value * value;
  }
  const double mean = sum / kDraws;
  return {mean, std::sqrt(squares / kDraws - mean * mean)};
}

TEST(CounterRandom, UniformNumbersHaveTheirMoments) {
  CounterRandom random(1, 0, 0, 0);
  const auto [mean, deviation] = moments([&] {
    const double value = random.uniform(-1, 3);
    EXPECT_GE(value, -1);
    EXPECT_LT(value, 3);
    return value;
  });
  EXPECT_NEAR(mean, 1, 0.02);
  EXPECT_NEAR(deviation, 4 / std::sqrt(12.0), 0.02);
}

TEST(CounterRandom, NormalNumbersHaveTheirMoments) {
  CounterRandom random(2, 0, 0, 0);
  const auto [mean, deviation] = moments([&] { return random.normal(); });
  EXPECT_NEAR(mean, 0, 0.015);
  EXPECT_NEAR(deviation, 1, 0.015);
}

// Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1)); 0.001 needs the logarithms, 4 is above 1.
TEST(CounterRandom, BetaNumbersHaveTheirMomentsForSmallAndLargeAlpha) {
  for (const double alpha : {0.001, 0.2, 1.0, 1.5, 4.0}) {
    CounterRandom random(3, 2, 0, 0);
    const auto [mean, deviation] = moments([&] {
      const double value = random.beta(alpha);
      EXPECT_GE(value, 0);
      EXPECT_LE(value, 1);
      return value;
    });
    EXPECT_NEAR(mean, 0.5, 0.01) << alpha;
    EXPECT_NEAR(deviation, std::sqrt(1 / (4 * (2 * alpha + 1))), 0.01) << alpha;
  }
}

TEST(CounterRandom, BelowReachesEveryNumberEquallyOften) {
  CounterRandom random(4, 0, 0, 0);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70000; ++i) ++counts.at(random.below(7));
  for (const int count : counts) EXPECT_NEAR(count, 10000, 400);
  EXPECT_EQ(random.below(1), 0u);
}

// 3 * 2^30 results: where numbers were folded instead of drawn again, a quarter of them would come twice as often.
TEST(CounterRandom, BelowIsUnbiasedForLargeCounts) {
  CounterRandom random(5, 0, 0, 0);
  constexpr uint32_t kQuarter = 1u << 30;
  std::array<int, 3> counts{};
  for (int i = 0; i < 30000; ++i) ++counts.at(random.below(3 * kQuarter) / kQuarter);
  for (const int count : counts) EXPECT_NEAR(count, 10000, 400);
}

TEST(Order, ShufflesEveryPictureOnceAndEachEpochAnew) {
  const std::vector<size_t> first = shuffled_order(100, 7, 0);
  EXPECT_EQ(std::set<size_t>(first.begin(), first.end()).size(), 100u);
  EXPECT_EQ(*std::max_element(first.begin(), first.end()), 99u);
  EXPECT_EQ(first, shuffled_order(100, 7, 0));
  EXPECT_NE(first, shuffled_order(100, 7, 1));
  EXPECT_NE(first, shuffled_order(100, 8, 0));
  EXPECT_TRUE(shuffled_order(0, 7, 0).empty());
}

TEST(Order, EachPlaceSeesEachPictureEquallyOften) {
  std::array<std::array<int, 4>, 4> counts{};
  for (uint32_t epoch = 0; epoch < 8000; ++epoch) {
    const std::vector<size_t> order = shuffled_order(4, 1, epoch);
    for (size_t place = 0; place < 4; ++place) ++counts.at(place).at(order[place]);
  }
  for (const auto& row : counts)
    for (const int count : row) EXPECT_NEAR(count, 2000, 160);
}

TEST(Order, RepeatedAugmentationShowsEachPictureInARowAndKeepsTheLength) {
  const std::vector<size_t> plain = shuffled_order(10, 3, 2), repeated = shuffled_order(10, 3, 2, 3);
  ASSERT_EQ(repeated.size(), 10u);
  for (size_t i = 0; i < 10; ++i) EXPECT_EQ(repeated[i], plain[i / 3]);
}

TEST(Order, BalancedDrawsEachClassEquallyOftenAndSkipsEmptyOnes) {
  std::vector<size_t> class_ids(9000, 0);  // class 1 has no picture, class 2 ten
  for (size_t i = 0; i < 10; ++i) class_ids[i * 900] = 2;
  const std::vector<size_t> order = balanced_order(class_ids, 1, 0);
  ASSERT_EQ(order.size(), class_ids.size());
  const auto rare = std::count_if(order.begin(), order.end(), [&](size_t index) { return class_ids[index] == 2; });
  EXPECT_NEAR(static_cast<double>(rare), 4500, 200);
  EXPECT_EQ(order, balanced_order(class_ids, 1, 0));
  EXPECT_NE(order, balanced_order(class_ids, 1, 1));
  EXPECT_TRUE(balanced_order({}, 1, 0).empty());
}

}  // namespace
}  // namespace resnetft
