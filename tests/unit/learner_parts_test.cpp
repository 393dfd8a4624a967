// SPDX-License-Identifier: MIT
// The learner's decisions as pure functions: duty cycle, accuracy watch, rows of a head.
#include <gtest/gtest.h>

#include <cmath>

#include "live/accuracy_watch.h"
#include "live/duty_cycle.h"
#include "live/head_rows.h"

namespace resnetft {
namespace {

using namespace std::chrono_literals;
using Duration = DutyCycle::Duration;

TEST(DutyCycle, RestsAsLongAsItWorkedAtAHalf) {
  DutyCycle duty(0.5);
  EXPECT_EQ(duty.rest(0ms, 0ms), Duration(0));
  EXPECT_EQ(duty.rest(100ms, 100ms), Duration(100ms));
  EXPECT_EQ(duty.rest(200ms, 100ms), Duration(0));  // rested
  EXPECT_EQ(duty.rest(230ms, 130ms), Duration(30ms));
}

TEST(DutyCycle, RestsThreeTimesItsWorkAtAQuarterAndNeverAtOne) {
  DutyCycle quarter(0.25), all(1);
  for (DutyCycle* duty : {&quarter, &all}) duty->rest(0ms, 0ms);
  EXPECT_EQ(quarter.rest(10ms, 10ms), Duration(30ms));
  EXPECT_EQ(all.rest(1000ms, 1000ms), Duration(0));
}

TEST(DutyCycle, CountsTimeWithoutTheProcessorAsRestAndForgetsLongOne) {
  DutyCycle duty(0.5);
  duty.rest(0ms, 0ms);
  EXPECT_EQ(duty.rest(100ms, 60ms), Duration(20ms));
  // An hour of nothing to do gives no more than 50 ms.
  duty.rest(1h, 60ms);
  EXPECT_EQ(duty.rest(1h + 100ms, 160ms), Duration(50ms));
}

// Steps of 90 ms in which a rest takes 3 ms longer than it should.
TEST(DutyCycle, KeepsItsShareWithinATenthOfAnyTwoSeconds) {
  for (const double share : {0.2, 0.5, 0.8}) {
    DutyCycle duty(share);
    Duration wall{}, cpu{};
    std::vector<std::pair<Duration, Duration>> at = {{wall, cpu}};
    while (wall < 30s) {
      const Duration rest = duty.rest(wall, cpu);
      wall += rest.count() > 0 ? rest + 3ms : Duration(0);
      at.emplace_back(wall, cpu);
      wall += 90ms;
      cpu += 90ms;
      at.emplace_back(wall, cpu);
    }
    for (size_t i = 0, j = 0; i < at.size(); ++i) {
      while (j < at.size() && at[j].first < at[i].first + 2s) ++j;
      if (j == at.size()) break;
      const double worked = std::chrono::duration<double>(at[j].second - at[i].second) /
                            std::chrono::duration<double>(at[j].first - at[i].first);
      ASSERT_NEAR(worked, share, 0.1) << share << " from " << at[i].first.count();
    }
  }
}

constexpr uint64_t kSecond = 1'000'000'000;

void judge(AccuracyWatch& watch, uint64_t from, uint64_t to, bool correct) {
  for (uint64_t i = from; i < to; ++i) watch.add({"camera", 1, i * kSecond / 4, 0}, correct, 4 * kSecond);
}

TEST(AccuracyWatch, ComplainsOfAFullWindowBelowTheOneBefore) {
  AccuracyWatch watch;
  judge(watch, 0, 20, true);
  watch.model_changed();
  judge(watch, 20, 34, false);
  EXPECT_FALSE(watch.complaint(4 * kSecond, 0.1));  // 3.5 s
  judge(watch, 34, 37, false);
  ASSERT_TRUE(watch.complaint(4 * kSecond, 0.1));
  EXPECT_FALSE(watch.complaint(4 * kSecond, 1.0));
  watch.start_over();
  judge(watch, 37, 60, false);
  EXPECT_FALSE(watch.complaint(4 * kSecond, 0.1));
}

TEST(AccuracyWatch, DoesNotComplainOfAModelThatIsAsGood) {
  AccuracyWatch watch;
  judge(watch, 0, 20, true);
  watch.model_changed();
  judge(watch, 20, 60, true);
  EXPECT_FALSE(watch.complaint(4 * kSecond, 0));
}

TEST(AccuracyWatch, CountsAGapAsASecondAtMost) {
  AccuracyWatch watch;
  judge(watch, 0, 20, true);
  watch.model_changed();
  for (uint64_t i = 0; i < 3; ++i) watch.add({"camera", 2, i * 1000 * kSecond, 0}, false, 4 * kSecond);
  EXPECT_FALSE(watch.complaint(4 * kSecond, 0.1));
}

TEST(AccuracyWatch, CountsTheTimeOfStreamsThatTakeTurnsOnce) {
  AccuracyWatch watch;
  judge(watch, 0, 20, true);
  watch.model_changed();
  const auto judge_turns = [&](uint64_t from, uint64_t to) {
    for (uint64_t i = from; i < to; ++i)
      watch.add({i % 2 ? "ahead" : "behind", 1, i * kSecond / 8 + i % 2 * kSecond, 0}, false, 4 * kSecond);
  };
  judge_turns(40, 54);
  EXPECT_FALSE(watch.complaint(4 * kSecond, 0.1));
  judge_turns(54, 80);
  EXPECT_TRUE(watch.complaint(4 * kSecond, 0.1));
}

TEST(ImprintedHead, KeepsKnownRowsAndGivesNewClassesTheirNormalisedMeans) {
  const LinearHead known{{"a", "b"}, 2, {3, 4, 0, 1}, {1, 3}};  // lengths 5 and 1
  ClassMeans means(2);
  means.add("c", std::vector<float>{10, 0});
  means.add("c", std::vector<float>{0, 0.5f});
  const LinearHead head = imprinted_head(known, {"b", "c"}, means);
  EXPECT_EQ(head.labels, (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(head.bias, (std::vector<float>{3, 2}));
  EXPECT_EQ(head.weight[0], 0);
  EXPECT_EQ(head.weight[1], 1);
  const float side = 3 / std::sqrt(2.0f);  // the mean length is 3, both directions count alike
  EXPECT_FLOAT_EQ(head.weight[2], side);
  EXPECT_FLOAT_EQ(head.weight[3], side);
}

TEST(JoinedLabels, KeepsTheOrderAndNamesEachOnce) {
  EXPECT_EQ(joined_labels({"a", "b"}, {"c", "b", "c"}), (std::vector<std::string>{"a", "b", "c"}));
}

}  // namespace
}  // namespace resnetft
