// SPDX-License-Identifier: MIT
// Sequences worked out by hand.
#include "resnetft/smoother.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace resnetft {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

// A judgement of the classes "a", "b", ... with these confidences.
Judgement judged(const std::vector<double>& confidences) {
  Judgement judgement;
  for (size_t i = 0; i < confidences.size(); ++i)
    judgement.top.push_back({std::string(1, static_cast<char>('a' + i)), static_cast<int64_t>(i), confidences[i]});
  std::ranges::stable_sort(judgement.top, std::greater(), &ScoredClass::confidence);
  return judgement;
}

std::string labels_over(Smoother& smoother, const SmootherRule& rule, const std::vector<std::vector<double>>& frames) {
  std::string labels;
  uint64_t time = 0;
  for (const std::vector<double>& frame : frames) {
    labels += smoother.apply(rule, judged(frame), time).top.front().label;
    time += kSecond;
  }
  return labels;
}

TEST(Smoother, WithoutSmoothingEachJudgementStandsForItself) {
  Smoother smoother;
  EXPECT_EQ(labels_over(smoother, {}, {{0.9, 0.1}, {0.4, 0.6}, {0.7, 0.3}}), "aba");
}

// Window 3 weighs a new value by 1/2: a goes 1, 0.5, 0.25 and b 0, 0.5, 0.75; a tie goes to the lower id.
TEST(Smoother, EmaAveragesAllConfidences) {
  Smoother smoother;
  const SmootherRule rule{.smoothing = Smoothing::Ema, .window = 3, .unknown_label = {}};
  EXPECT_DOUBLE_EQ(smoother.apply(rule, judged({1, 0}), 0).top.front().confidence, 1.0);
  EXPECT_EQ(smoother.apply(rule, judged({0, 1}), 0).top.front().label, "a");
  const Judgement third = smoother.apply(rule, judged({0, 1}), 0);
  EXPECT_EQ(third.top.front().label, "b");
  EXPECT_DOUBLE_EQ(third.top.front().confidence, 0.75);
}

TEST(Smoother, MajorityShowsTheLabelOfMostFramesInTheWindow) {
  Smoother smoother;
  const SmootherRule rule{.smoothing = Smoothing::Majority, .window = 3, .unknown_label = {}};
  const std::vector<double> a = {0.8, 0.2}, b = {0.4, 0.6};
  // Windows: a | ab (tie, b last) | aba | bab | abb | bba
  EXPECT_EQ(labels_over(smoother, rule, {a, b, a, b, b, a}), "ababbb");
}

TEST(Smoother, MajorityGivesTheMeanConfidenceOfItsVotes) {
  Smoother smoother;
  const SmootherRule rule{.smoothing = Smoothing::Majority, .window = 3, .unknown_label = {}};
  labels_over(smoother, rule, {{0.6, 0.4}, {0.1, 0.9}});
  const Judgement third = smoother.apply(rule, judged({0.8, 0.2}), 0);
  EXPECT_EQ(third.top.front().label, "a");
  EXPECT_DOUBLE_EQ(third.top.front().confidence, 0.7);
}

TEST(Smoother, BelowTheThresholdTheUnknownLabelIsShown) {
  Smoother smoother;
  const SmootherRule rule{.threshold = 0.7, .unknown_label = "?"};
  EXPECT_EQ(labels_over(smoother, rule, {{0.7, 0.3}, {0.69, 0.31}, {0.2, 0.8}}), "a?b");
  const Judgement doubtful = smoother.apply(rule, judged({0.6, 0.4}), 0);
  EXPECT_EQ(doubtful.top.front().label_id, -1);
  EXPECT_DOUBLE_EQ(doubtful.top.front().confidence, 0.6);
}

TEST(Smoother, AShownLabelStaysForItsDwell) {
  Smoother smoother;
  const SmootherRule rule{.min_dwell_ns = 2 * kSecond, .unknown_label = {}};
  const std::vector<double> a = {0.8, 0.2}, b = {0.4, 0.6};
  // a is shown from 0 s, b may come at 2 s and stays until 4 s.
  EXPECT_EQ(labels_over(smoother, rule, {a, b, b, a, a}), "aabba");
}

TEST(Smoother, TopKCutsTheList) {
  Smoother smoother;
  EXPECT_EQ(smoother.apply({.unknown_label = {}, .top_k = 2}, judged({0.5, 0.3, 0.2}), 0).top.size(), 2u);
  EXPECT_EQ(smoother.apply({.unknown_label = {}, .top_k = 0}, judged({0.5, 0.3, 0.2}), 0).top.size(), 3u);
}

TEST(Smoother, ResetForgetsWhatWasShown) {
  Smoother smoother;
  const SmootherRule rule{.min_dwell_ns = 100 * kSecond, .unknown_label = {}};
  smoother.apply(rule, judged({0.8, 0.2}), 0);
  smoother.reset();
  EXPECT_EQ(smoother.apply(rule, judged({0.2, 0.8}), 1).top.front().label, "b");
}

}  // namespace
}  // namespace resnetft
