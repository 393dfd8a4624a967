// SPDX-License-Identifier: MIT
#include "live/holdout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace resnetft {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

// One letter for each half second of `class_name` from `from` on: t, h or -.
std::string sides(Holdout& holdout, const std::string& class_name, uint64_t from_s, uint64_t seconds) {
  std::string text;
  for (uint64_t i = 0; i < 2 * seconds; ++i)
    text += "th-"[static_cast<int>(holdout.assign({"s", from_s * kSecond + i * kSecond / 2}, class_name))];
  return text;
}

// A seed whose draw holds out none of the first `blocks` blocks, or the first at or above 2 only as `held` says.
uint64_t seed_without(const std::string& class_name, uint64_t blocks) {
  for (HoldoutRule rule;; ++rule.seed) {
    bool any = false;
    for (uint64_t k = 0; k < blocks; ++k) any = any || draw_holds_out(rule, class_name, k);
    if (!any) return rule.seed;
  }
}

TEST(Holdout, TheDrawHoldsOutTheAskedShareAndDependsOnSeedClassAndBlock) {
  const HoldoutRule rule{.seed = 5};
  const HoldoutRule other{.seed = 6};
  int held = 0, differs_by_class = 0, differs_by_seed = 0;
  constexpr int kBlocks = 10000;
  for (uint64_t k = 0; k < kBlocks; ++k) {
    held += draw_holds_out(rule, "cat", k);
    differs_by_class += draw_holds_out(rule, "cat", k) != draw_holds_out(rule, "dog", k);
    differs_by_seed += draw_holds_out(rule, "cat", k) != draw_holds_out(other, "cat", k);
  }
  // Five standard deviations of a binomial; independent draws differ with probability 2 * 0.2 * 0.8.
  EXPECT_NEAR(held, 0.2 * kBlocks, 5 * std::sqrt(0.2 * 0.8 * kBlocks));
  EXPECT_NEAR(differs_by_class, 0.32 * kBlocks, 5 * std::sqrt(0.32 * 0.68 * kBlocks));
  EXPECT_NEAR(differs_by_seed, 0.32 * kBlocks, 5 * std::sqrt(0.32 * 0.68 * kBlocks));
}

// Blocks of 2 s: 0 and 1 are the first 4 s; 2 and 3 are not drawn; 4 makes 10 s and is held out, its first second being
// nearer than 1 s to the training sample at 7.5 s (8.5 is exactly 1 s away and stays); then training gives way.
TEST(Holdout, AClassThatTheDrawSparesHasABlockHeldOutOnceItHasTenSeconds) {
  Holdout holdout({.seed = seed_without("cat", 7)});
  EXPECT_EQ(sides(holdout, "cat", 0, 14), std::string(16, 't') + "-hhh" + "-ttt" + "tttt");
  EXPECT_EQ(holdout.left_out(), 2u);
}

TEST(Holdout, NeverHoldsOutTheFirstFourSecondsOfAClass) {
  Holdout holdout({.fraction = 1});
  EXPECT_EQ(sides(holdout, "cat", 0, 8), std::string(8, 't') + "-hhh" + "hhhh");
  // Also where they are not the first of the stream, and in blocks of 3 s: two of them.
  Holdout three({.fraction = 1, .block_ns = 3 * kSecond});
  EXPECT_EQ(sides(three, "dog", 30, 8), std::string(12, 't') + "-hhh");
}

TEST(Holdout, NothingIsHeldOutWithFractionZero) {
  Holdout holdout({.fraction = 0});
  EXPECT_EQ(sides(holdout, "cat", 0, 40), std::string(80, 't'));
}

// Classes take turns every 2 s; with fraction 1 a's third block is held out between training blocks of b.
TEST(Holdout, TheGapCountsBetweenClasses) {
  Holdout holdout({.fraction = 1});
  std::string text;
  for (uint64_t turn = 0; turn < 5; ++turn) text += sides(holdout, turn % 2 == 0 ? "a" : "b", 2 * turn, 2);
  EXPECT_EQ(text, std::string(16, 't') + "-hhh");
  EXPECT_EQ(sides(holdout, "c", 10, 2), "-ttt");
}

TEST(Holdout, NoHeldOutSampleLiesWithinTheGapOfATrainingSample) {
  Holdout holdout({.fraction = 0.4, .seed = 3});
  std::vector<uint64_t> train, held;
  for (uint64_t i = 0; i < 4000; ++i) {
    // Back and forth, three classes of unequal length.
    const uint64_t time = (i * 7919 % 4000) * kSecond / 20;
    const HoldoutSide side = holdout.assign({"s", time}, std::string(1, "abc"[time / (3 * kSecond) % 3]));
    if (side == HoldoutSide::Train) train.push_back(time);
    if (side == HoldoutSide::Holdout) held.push_back(time);
  }
  ASSERT_GT(train.size(), 200u);
  ASSERT_GT(held.size(), 50u);
  std::ranges::sort(train);
  for (const uint64_t time : held) {
    const auto after = std::ranges::lower_bound(train, time);
    if (after != train.end()) {
      EXPECT_GE(*after - time, kSecond);
    }
    if (after != train.begin()) {
      EXPECT_GE(time - *std::prev(after), kSecond);
    }
  }
}

TEST(Holdout, AClipPlayedAgainHasTheSameSides) {
  Holdout holdout({.fraction = 0.3, .seed = 1});
  const std::string first = sides(holdout, "cat", 0, 30);
  ASSERT_NE(first.find('h'), std::string::npos);
  EXPECT_EQ(sides(holdout, "cat", 0, 30), first);
  EXPECT_EQ(sides(holdout, "cat", 0, 30), first);
}

TEST(Holdout, OtherTimelinesDoNotTouch) {
  Holdout holdout({.fraction = 1});
  sides(holdout, "a", 0, 4);
  EXPECT_EQ(holdout.assign({"other", 4 * kSecond}, "a"), HoldoutSide::Holdout);
}

TEST(Holdout, GoesOnAfterARestartAsIfThereWasNone) {
  const HoldoutRule rule{.fraction = 0.4, .seed = 9};
  Holdout whole(rule), before(rule), after(rule);
  std::string all = sides(whole, "a", 0, 12);
  all += sides(whole, "b", 12, 20);
  all += sides(whole, "a", 32, 20);
  std::string parts = sides(before, "a", 0, 12);
  after.restore(before.blocks());
  parts += sides(after, "b", 12, 20);
  parts += sides(after, "a", 32, 20);
  EXPECT_EQ(parts, all);
  EXPECT_EQ(after.block_number({"s", 33 * kSecond}, "a"), whole.block_number({"s", 33 * kSecond}, "a"));
}

TEST(Holdout, BlocksAreNumberedByTimeAndClass) {
  Holdout holdout({});
  holdout.assign({"s", 0}, "a");
  holdout.assign({"s", 1}, "b");
  holdout.assign({"s", 2 * kSecond}, "a");
  EXPECT_EQ(holdout.block_number({"s", kSecond}, "a"), 1u);
  EXPECT_EQ(holdout.block_number({"s", kSecond}, "b"), 2u);
  EXPECT_EQ(holdout.block_number({"s", 3 * kSecond}, "a"), 3u);
  EXPECT_EQ(holdout.block_number({"s", 9 * kSecond}, "a"), 0u);
}

}  // namespace
}  // namespace resnetft
