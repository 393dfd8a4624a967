// SPDX-License-Identifier: MIT
#include "stream_clock.h"

#include <gtest/gtest.h>

namespace resnetft::testing {

TEST(Lateness, NothingIsLateBeforeASinkHasSpoken) { EXPECT_FALSE(Lateness().late(0)); }

TEST(Lateness, FramesUpToTheLateInstantPlusItsJitterAreLate) {
  Lateness lateness;
  lateness.observe(1.5, 20, 100);
  EXPECT_TRUE(lateness.late(100));
  EXPECT_TRUE(lateness.late(120));
  EXPECT_FALSE(lateness.late(121));
  EXPECT_EQ(lateness.behind_ns(105), 15);
  EXPECT_EQ(lateness.proportion(), 1.5);
}

TEST(Lateness, AFrameInTimeEndsIt) {
  Lateness lateness;
  lateness.observe(1.5, 20, 100);
  lateness.observe(0.9, -5, 150);
  EXPECT_FALSE(lateness.late(110));
}

TEST(Lateness, AResetEndsIt) {
  Lateness lateness;
  lateness.observe(1.5, 20, 100);
  lateness.reset();
  EXPECT_FALSE(lateness.late(110));
}

TEST(LatencyMeter, AnnouncesTheGuessBeforeTheFirstFrame) {
  LatencyMeter meter;
  meter.reset(7'000'000);
  EXPECT_EQ(meter.announce(), 7'000'000U);
}

TEST(LatencyMeter, AnnouncesThe95thPercentile) {
  LatencyMeter meter;
  for (int64_t i = 1; i <= 60; ++i) meter.add(i * 1'000'000);
  EXPECT_EQ(meter.announce(), 57'000'000U);  // rank floor(59 * 0.95) = 56 of 0 to 59
}

TEST(LatencyMeter, HasMovedWhenItIsAQuarterAwayFromWhatWasAnnounced) {
  LatencyMeter meter;
  meter.reset(8'000'000);
  meter.announce();
  meter.reset(10'000'000);
  EXPECT_FALSE(meter.moved());  // exactly a quarter
  meter.reset(10'100'000);
  EXPECT_TRUE(meter.moved());
  meter.reset(5'900'000);
  EXPECT_TRUE(meter.moved());
}

TEST(LatencyMeter, StaysStillBelowHalfAMillisecond) {
  LatencyMeter meter;
  meter.reset(100'000);
  meter.announce();
  meter.reset(590'000);
  EXPECT_FALSE(meter.moved());
  meter.reset(600'000);
  EXPECT_TRUE(meter.moved());
}

TEST(LatencyMeter, ForgetsTimesThatLeftItsWindow) {
  LatencyMeter meter;
  for (int i = 0; i < 64; ++i) meter.add(50'000'000);
  for (int i = 0; i < 64; ++i) meter.add(2'000'000);
  EXPECT_EQ(meter.announce(), 2'000'000U);
}

}  // namespace resnetft::testing
