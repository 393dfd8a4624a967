// SPDX-License-Identifier: MIT
// Sequences worked out by hand. The model is a list of labels, one for each inference.
#include "frame_judge.h"

#include <gtest/gtest.h>

namespace resnetft::testing {
namespace {

const JudgedRegion kWhole{{}, kWholeFrame};

class FrameJudgeTest : public ::testing::Test {
 protected:
  // One frame; "label@age", "-" for no verdict, one for each region, "!" before a changed label.
  std::string frame(const std::vector<JudgedRegion>& regions = {kWhole}, FrameSituation situation = {}) {
    if (situation.generation == 0) situation.generation = 1;
    const Result<FrameVerdicts> outcome =
        judge_.judge(regions, rules_, situation, [&](const Region&, size_t) -> Result<Judgement> {
          const std::string label = answers_.at(inferred_++ % answers_.size());
          return Judgement{{{label, label[0], 0.9}, {"rest", 0, 0.1}}, {}, {}};
        });
    std::string text;
    for (const std::optional<Verdict>& verdict : outcome->verdicts) {
      text += text.empty() ? "" : " ";
      if (!verdict) {
        text += "-";
        continue;
      }
      text += (verdict->previous_label ? "!" : "") + verdict->best().label + "@" + std::to_string(verdict->age_frames);
    }
    skipped_ = outcome->skipped;
    return text;
  }

  FrameJudge judge_;
  FrameRules rules_;
  std::vector<std::string> answers_ = {"a", "b", "c", "d", "e", "f"};
  size_t inferred_ = 0;
  bool skipped_ = false;
};

}  // namespace

TEST_F(FrameJudgeTest, EveryFrameIsInferredWithIntervalOne) {
  EXPECT_EQ(frame(), "!a@0");
  EXPECT_EQ(frame(), "!b@0");
  EXPECT_EQ(frame(), "!c@0");
}

TEST_F(FrameJudgeTest, ResultsTravelWithTheirAgeBetweenInferences) {
  rules_.inference_interval = 3;
  EXPECT_EQ(frame(), "!a@0");
  EXPECT_EQ(frame(), "a@1");
  EXPECT_EQ(frame(), "a@2");
  EXPECT_EQ(frame(), "!b@0");
  EXPECT_EQ(inferred_, 2U);
}

TEST_F(FrameJudgeTest, ALateFrameCarriesTheLastResultAndIsCounted) {
  EXPECT_EQ(frame(), "!a@0");
  EXPECT_EQ(frame({kWhole}, {.skip = true}), "a@1");
  EXPECT_TRUE(skipped_);
  EXPECT_EQ(frame(), "!b@0");
  EXPECT_FALSE(skipped_);
}

TEST_F(FrameJudgeTest, ALateFrameThatWasNotDueIsNotCounted) {
  rules_.inference_interval = 2;
  frame();
  EXPECT_EQ(frame({kWhole}, {.skip = true}), "a@1");
  EXPECT_FALSE(skipped_);
}

TEST_F(FrameJudgeTest, ALateFirstFrameHasNoResult) {
  EXPECT_EQ(frame({kWhole}, {.skip = true}), "-");
  EXPECT_EQ(frame(), "!a@0");
}

TEST_F(FrameJudgeTest, AnotherModelJudgesItsFirstFrameEvenBetweenInferences) {
  rules_.inference_interval = 10;
  EXPECT_EQ(frame(), "!a@0");
  EXPECT_EQ(frame({kWhole}, {.generation = 2}), "!b@0");
  EXPECT_EQ(frame({kWhole}, {.generation = 2}), "b@1");
}

TEST_F(FrameJudgeTest, AnotherModelThatSaysTheSameChangesNoLabel) {
  answers_ = {"a"};
  EXPECT_EQ(frame(), "!a@0");
  EXPECT_EQ(frame({kWhole}, {.generation = 2}), "a@0");
}

TEST_F(FrameJudgeTest, NothingIsCarriedOverBackwards) {
  rules_.inference_interval = 2;
  EXPECT_EQ(frame({kWhole}, {.reverse = true}), "!a@0");
  EXPECT_EQ(frame({kWhole}, {.reverse = true}), "-");
  EXPECT_EQ(frame({kWhole}, {.reverse = true}), "!b@0");
}

TEST_F(FrameJudgeTest, AResetForgetsResultAndLabel) {
  rules_.inference_interval = 100;
  answers_ = {"a"};
  EXPECT_EQ(frame(), "!a@0");
  EXPECT_EQ(frame(), "a@1");
  judge_.reset();
  EXPECT_EQ(frame(), "!a@0");
}

TEST_F(FrameJudgeTest, RegionsWithoutAnIdentityAreInferredEveryTime) {
  rules_.inference_interval = 100;
  rules_.smoothing.smoothing = Smoothing::Majority;
  const JudgedRegion anonymous{{0, 0, 4, 4}, std::nullopt};
  EXPECT_EQ(frame({anonymous}), "a@0");
  EXPECT_EQ(frame({anonymous}), "b@0");
}

TEST_F(FrameJudgeTest, EachIdentityHasItsOwnResult) {
  rules_.inference_interval = 3;
  const JudgedRegion one{{0, 0, 4, 4}, 1}, two{{4, 0, 4, 4}, 2};
  EXPECT_EQ(frame({one, two}), "!a@0 !b@0");
  EXPECT_EQ(frame({two, one}), "b@1 a@1");
  EXPECT_EQ(frame({two}), "b@2");
}

TEST_F(FrameJudgeTest, ANewIdentityIsInferredWhenItAppears) {
  rules_.inference_interval = 100;
  const JudgedRegion one{{0, 0, 4, 4}, 1}, two{{4, 0, 4, 4}, 2};
  EXPECT_EQ(frame({one}), "!a@0");
  EXPECT_EQ(frame({one, two}), "a@1 !b@0");
}

TEST_F(FrameJudgeTest, TwoRegionsOfOneIdentityHaveNone) {
  rules_.inference_interval = 100;
  const JudgedRegion zero{{0, 0, 4, 4}, 0};
  EXPECT_EQ(frame({zero, zero}), "a@0 b@0");
  EXPECT_EQ(frame({zero, zero}), "c@0 d@0");
}

TEST_F(FrameJudgeTest, SmoothingSeesOneIdentityOnly) {
  rules_.smoothing.smoothing = Smoothing::Majority;
  rules_.smoothing.window = 3;
  answers_ = {"a", "x", "a", "x", "b", "x"};
  const JudgedRegion one{{0, 0, 4, 4}, 1}, two{{4, 0, 4, 4}, 2};
  EXPECT_EQ(frame({one, two}), "!a@0 !x@0");
  EXPECT_EQ(frame({one, two}), "a@0 x@0");
  EXPECT_EQ(frame({one, two}), "a@0 x@0");  // two votes for a outweigh the b of this frame
}

TEST_F(FrameJudgeTest, ARegionUnseenFor300FramesIsForgotten) {
  rules_.inference_interval = 1000;
  const JudgedRegion one{{0, 0, 4, 4}, 1};
  EXPECT_EQ(frame({one}), "!a@0");
  for (int i = 0; i < 300; ++i) frame({});
  EXPECT_EQ(frame({one}), "a@1");
  for (int i = 0; i < 301; ++i) frame({});
  EXPECT_EQ(frame({one}), "!b@0");
}

TEST(ClassesNeeded, AllWhereEarlierJudgementsCount) {
  SmootherRule rule;
  rule.top_k = 3;
  EXPECT_EQ(classes_needed(rule), 3U);
  rule.min_dwell_ns = 1;
  EXPECT_EQ(classes_needed(rule), 0U);
  rule.min_dwell_ns = 0;
  rule.smoothing = Smoothing::Ema;
  EXPECT_EQ(classes_needed(rule), 0U);
}

}  // namespace resnetft::testing
