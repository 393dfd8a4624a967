// SPDX-License-Identifier: MIT
// Judgements drawn up by hand: each letter of a text is what a model names one sample ('-': nothing of the union).
#include "live/gate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace resnetft {
namespace {

using Judgements = std::vector<GateJudgement>;

// Sample i lies in block i / per_block.
Judgements judged(const std::string& truths, const std::string& named, size_t per_block = 1) {
  Judgements list;
  for (size_t i = 0; i < truths.size(); ++i) {
    const size_t truth = static_cast<size_t>(truths[i] - 'a');
    const size_t name = named[i] == '-' ? kNoGateClass : static_cast<size_t>(named[i] - 'a');
    list.push_back({truth, name, name == truth ? 0.8 : 0.1, i / per_block});
  }
  return list;
}

std::vector<GateClass> classes(const std::string& names, const std::string& old) {
  std::vector<GateClass> list;
  for (const char name : names) list.push_back({std::string(1, name), old.find(name) != std::string::npos});
  return list;
}

GateOutcome outcome(const Judgements& incumbent, const Judgements& candidate, const std::vector<GateClass>& known,
                    const GateRule& rule, const Judgements& rehearsal_incumbent = {},
                    const Judgements& rehearsal_candidate = {}) {
  return judge_candidate({incumbent, candidate}, {rehearsal_incumbent, rehearsal_candidate}, known, rule).value();
}

std::string repeated(char letter, size_t count) { return std::string(count, letter); }

constexpr GateRule kSmall{.min_samples = 10, .min_per_class = 5};

// a: 4 of 5 right, named 5 times: F1 = 8/10. b: 4 of 5, named 5 times: the same. The candidate has all.
TEST(Gate, PromotesABetterCandidateAndGivesEveryFigure) {
  const std::string truth = "aaaaabbbbb";
  const GateOutcome result = outcome(judged(truth, "aaaabbbbba"), judged(truth, truth), classes("ab", "ab"), kSmall);
  EXPECT_EQ(result.verdict, GateVerdict::Promoted);
  EXPECT_NEAR(result.incumbent.macro_f1, 0.8, 1e-12);
  EXPECT_NEAR(result.incumbent.top1, 0.8, 1e-12);
  EXPECT_NEAR(result.incumbent.loss, -(8 * std::log(0.8) + 2 * std::log(0.1)) / 10, 1e-12);
  EXPECT_NEAR(result.candidate.macro_f1, 1.0, 1e-12);
  EXPECT_NEAR(result.delta, 0.2, 1e-12);
  EXPECT_EQ(result.samples, 10u);
  EXPECT_EQ(result.blocks_won, 2u);
  EXPECT_EQ(result.blocks_lost, 0u);
  EXPECT_EQ(result.blocks_tied, 8u);
  EXPECT_NEAR(result.p_value, 0.5, 1e-12);
  EXPECT_EQ(result.classes[1].incumbent_correct, 4u);
  EXPECT_EQ(result.classes[1].candidate_correct, 5u);
  EXPECT_EQ(result.reason, "better: macro-f1 1 after 0.8 on 10 held-out samples");
}

TEST(Gate, IsUndecidedBelowTheLeastNumberOfSamples) {
  const GateOutcome result =
      outcome(judged("aaaaabbbb", "---------"), judged("aaaaabbbb", "aaaaabbbb"), classes("ab", ""), kSmall);
  EXPECT_EQ(result.verdict, GateVerdict::Undecided);
  EXPECT_EQ(result.reason, "9 held-out samples; 10 are needed");
}

// c has 4 samples: its mistakes count for nobody, also not as false positives of a.
TEST(Gate, ListsAClassWithFewSamplesWithoutJudgingIt) {
  const std::string truth = "aaaaabbbbbcccc";
  const GateOutcome result =
      outcome(judged(truth, "aaaaabbbbacccc"), judged(truth, "aaaaabbbbbaaaa"), classes("abc", "abc"), kSmall);
  EXPECT_EQ(result.verdict, GateVerdict::Promoted) << result.reason;
  EXPECT_NEAR(result.candidate.macro_f1, 1.0, 1e-12);
  EXPECT_EQ(result.samples, 14u);
  EXPECT_EQ(result.judged_samples, 10u);
  EXPECT_FALSE(result.classes[2].judged);
  EXPECT_EQ(result.classes[2].samples, 4u);
}

TEST(Gate, IsUndecidedWhereNoClassCanBeJudged) {
  const GateOutcome result = outcome(judged("aaaabbbbcccc", "------------"), judged("aaaabbbbcccc", "aaaabbbbcccc"),
                                     classes("abc", ""), kSmall);
  EXPECT_EQ(result.verdict, GateVerdict::Undecided);
  EXPECT_EQ(result.reason, "no class has 5 held-out samples");
}

TEST(Gate, RejectsAnEqualCandidateEvenWithoutALeastDelta) {
  const Judgements same = judged("aaaaabbbbb", "aaaaabbbba");
  EXPECT_EQ(outcome(same, same, classes("ab", "ab"), kSmall).verdict, GateVerdict::Rejected);
}

// Top-1 0.8 and 0.9: the difference is 0.1.
TEST(Gate, AsksForTheLeastDelta) {
  const Judgements before = judged("aaaaabbbbb", "aaaabbbbba"), after = judged("aaaaabbbbb", "aaaaabbbba");
  GateRule rule = kSmall;
  rule.metric = GateMetric::Top1;
  rule.min_delta = 0.09;
  EXPECT_EQ(outcome(before, after, classes("ab", "ab"), rule).verdict, GateVerdict::Promoted);
  rule.min_delta = 0.11;
  EXPECT_EQ(outcome(before, after, classes("ab", "ab"), rule).verdict, GateVerdict::Rejected);
}

TEST(Gate, TheLossIsBetterWhenItIsLower) {
  Judgements before = judged("aaaaabbbbb", "aaaaabbbbb"), after = before;
  for (GateJudgement& judgement : after) judgement.truth_confidence = 0.9;
  GateRule rule = kSmall;
  rule.metric = GateMetric::Loss;
  const GateOutcome better = outcome(before, after, classes("ab", "ab"), rule);
  EXPECT_EQ(better.verdict, GateVerdict::Promoted);
  EXPECT_NEAR(better.delta, std::log(0.9 / 0.8), 1e-12);
  EXPECT_EQ(outcome(after, before, classes("ab", "ab"), rule).verdict, GateVerdict::Rejected);
}

// Class a of 50 samples loses 3 (0.06): more than 0.05 and more than two samples. b gains 20.
TEST(Gate, RejectsWhereAnOldClassLosesTooMuch) {
  const std::string truth = repeated('a', 50) + repeated('b', 50);
  const Judgements before = judged(truth, repeated('a', 50) + repeated('a', 20) + repeated('b', 30));
  const auto losing = [&](size_t lost) {
    return judged(truth, repeated('b', lost) + repeated('a', 50 - lost) + repeated('b', 50));
  };
  const GateOutcome three = outcome(before, losing(3), classes("ab", "ab"), {});
  EXPECT_EQ(three.verdict, GateVerdict::Rejected);
  EXPECT_EQ(three.reason, "class 'a' would lose 3 of 50 samples (recall 0.06 lower, 0.05 is allowed)");
  EXPECT_EQ(outcome(before, losing(2), classes("ab", "ab"), {}).verdict, GateVerdict::Promoted);
  // A class that the incumbent does not know cannot lose.
  EXPECT_EQ(outcome(before, losing(3), classes("ab", "b"), {}).verdict, GateVerdict::Promoted);
}

// 2 of 10 is a drop of 0.2, but only two samples.
TEST(Gate, ADropOfTwoSamplesIsForgiven) {
  const std::string truth = repeated('a', 10) + repeated('b', 50);
  const Judgements before = judged(truth, repeated('a', 10) + repeated('a', 30) + repeated('b', 20));
  const Judgements two = judged(truth, "bb" + repeated('a', 8) + repeated('b', 50));
  const Judgements three = judged(truth, "bbb" + repeated('a', 7) + repeated('b', 50));
  EXPECT_EQ(outcome(before, two, classes("ab", "ab"), {}).verdict, GateVerdict::Promoted);
  EXPECT_EQ(outcome(before, three, classes("ab", "ab"), {}).verdict, GateVerdict::Rejected);
}

TEST(Gate, RejectsWhatIsWorseOnTheRehearsalHoldout) {
  const std::string truth = "aaaaabbbbb";
  const Judgements before = judged(truth, "aaaabbbbba"), after = judged(truth, truth);
  const Judgements known = judged("cccc", "cccc"), forgot = judged("cccc", "ccca");
  EXPECT_EQ(outcome(before, after, classes("abc", "abc"), kSmall, known, known).verdict, GateVerdict::Promoted);
  const GateOutcome worse = outcome(before, after, classes("abc", "abc"), kSmall, known, forgot);
  EXPECT_EQ(worse.verdict, GateVerdict::Rejected);
  // F1 of c: 2 * 3 / (4 + 3).
  EXPECT_NEAR(worse.rehearsal_candidate, 6.0 / 7, 1e-12);
}

TEST(Gate, McNemarsExactTestIsTheBinomials) {
  EXPECT_DOUBLE_EQ(mcnemar_exact_p(0, 0), 1);
  EXPECT_NEAR(mcnemar_exact_p(6, 0), 2.0 / 64, 1e-12);
  EXPECT_NEAR(mcnemar_exact_p(0, 5), 2.0 / 32, 1e-12);
  EXPECT_NEAR(mcnemar_exact_p(8, 1), 2.0 * (1 + 9) / 512, 1e-12);
  EXPECT_NEAR(mcnemar_exact_p(2, 2), 1, 1e-12);
  EXPECT_GT(mcnemar_exact_p(600, 400), 0);
  EXPECT_LT(mcnemar_exact_p(600, 400), 1e-9);
}

// Blocks of 5 samples; `won` of them better by one sample, `lost` worse by one.
GateOutcome over_blocks(size_t won, size_t lost, size_t tied, double significance) {
  std::string truth, before, after;
  for (size_t block = 0; block < won + lost + tied; ++block) {
    const char letter = "ab"[block % 2], other = "ba"[block % 2];
    truth += repeated(letter, 5);
    const std::string right = repeated(letter, 5), wrong = repeated(letter, 4) + other;
    before += block < won ? wrong : right;
    after += block >= won && block < won + lost ? wrong : right;
  }
  GateRule rule = kSmall;
  rule.significance = significance;
  return outcome(judged(truth, before, 5), judged(truth, after, 5), classes("ab", "ab"), rule);
}

TEST(Gate, SignificanceNeedsSixDecidedBlocksAndTheTest) {
  EXPECT_EQ(over_blocks(6, 0, 4, 0.05).verdict, GateVerdict::Promoted);
  EXPECT_EQ(over_blocks(5, 0, 5, 0.05).verdict, GateVerdict::Undecided);
  EXPECT_EQ(over_blocks(5, 0, 5, 0.05).reason, "5 blocks won, 0 lost, 5 tied: 6 decided ones are needed");
  EXPECT_EQ(over_blocks(6, 1, 5, 0.05).verdict, GateVerdict::Undecided);  // p = 16/128
  EXPECT_EQ(over_blocks(8, 1, 5, 0.05).verdict, GateVerdict::Promoted);   // p = 20/512
  EXPECT_EQ(over_blocks(5, 0, 5, 1.0).verdict, GateVerdict::Promoted);
}

// 30 blocks of 4 samples; both models are right with probability 0.8, independently. The test is exact and two-sided,
// and only the candidate's side swaps: about a fortieth. With the test off the candidate wins whenever it is ahead.
size_t swaps_of_equals(double significance) {
  size_t swaps = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    std::string truth, named[2];
    for (size_t i = 0; i < 120; ++i) {
      truth += "ab"[i / 4 % 2];
      for (std::string& text : named) text += random() % 5 == 0 ? "ba"[i / 4 % 2] : "ab"[i / 4 % 2];
    }
    GateRule rule;
    rule.significance = significance;
    rule.max_recall_drop = 1;
    swaps += outcome(judged(truth, named[0], 4), judged(truth, named[1], 4), classes("ab", "ab"), rule).verdict ==
             GateVerdict::Promoted;
  }
  return swaps;
}

TEST(Gate, TwoEquallyGoodHeadsAreSwappedInAtMostATwentiethOfHoldouts) {
  const size_t with = swaps_of_equals(0.05), without = swaps_of_equals(1);
  RecordProperty("swaps_with_significance_0.05", static_cast<int>(with));
  RecordProperty("swaps_without", static_cast<int>(without));
  EXPECT_LE(with, 10u);
  EXPECT_GT(without, 60u);
}

TEST(Gate, RefusesListsThatDoNotBelongTogether) {
  const Judgements two = judged("ab", "ab"), one = judged("a", "a"), other = judged("ba", "ab");
  const std::vector<GateClass> known = classes("ab", "ab");
  EXPECT_EQ(judge_candidate({two, one}, {}, known, {}).error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(judge_candidate({two, other}, {}, known, {}).error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(judge_candidate({two, two}, {}, classes("a", "a"), {}).error().code, ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace resnetft
