// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <random>

#include "infer/arena.h"

namespace resnetft {
namespace {

size_t end_of(const ArenaPlan& plan, const std::vector<Lifetime>& lifetimes, size_t i) {
  return plan.offsets[i] + lifetimes[i].bytes;
}

TEST(Arena, BuffersThatLiveTogetherNeverOverlap) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<Lifetime> lifetimes(30);
    for (Lifetime& lifetime : lifetimes) {
      lifetime = {random() % 5000, static_cast<int>(random() % 20), 0};
      lifetime.last = lifetime.first + static_cast<int>(random() % 6);
    }
    const ArenaPlan plan = plan_arena(lifetimes);
    for (size_t a = 0; a < lifetimes.size(); ++a) {
      EXPECT_EQ(plan.offsets[a] % kBufferAlignment, 0u);
      EXPECT_LE(end_of(plan, lifetimes, a), plan.bytes);
      for (size_t b = 0; b < a; ++b) {
        const bool together = lifetimes[a].first <= lifetimes[b].last && lifetimes[b].first <= lifetimes[a].last;
        const bool apart =
            end_of(plan, lifetimes, a) <= plan.offsets[b] || end_of(plan, lifetimes, b) <= plan.offsets[a];
        const bool empty = lifetimes[a].bytes == 0 || lifetimes[b].bytes == 0;
        ASSERT_TRUE(!together || apart || empty) << "buffers " << a << " and " << b << " in round " << round;
      }
    }
  }
}

TEST(Arena, AChainOfLayersTakesTheSpaceOfItsTwoLargestNeighbours) {
  const ArenaPlan plan = plan_arena({{640, 0, 1}, {1280, 1, 2}, {640, 2, 3}, {1280, 3, 4}, {64, 4, 5}});
  EXPECT_EQ(plan.bytes, 1920u);
}

TEST(Arena, NoBuffersTakeNoSpace) { EXPECT_EQ(plan_arena({}).bytes, 0u); }

}  // namespace
}  // namespace resnetft
