// SPDX-License-Identifier: MIT
// All expected numbers are counted by hand.
#include "train/meters.h"

#include <gtest/gtest.h>

#include <cmath>

namespace resnetft {
namespace {

// Three classes, five images: truth 0 named 0, 0 named 1, 1 named 1, 1 named 1, 2 named 0.
ClassificationMeter five_images() {
  ClassificationMeter meter(3);
  meter.add(0, std::vector{0.7, 0.2, 0.1});
  meter.add(0, std::vector{0.3, 0.6, 0.1});
  meter.add(1, std::vector{0.1, 0.9, 0.0});
  meter.add(1, std::vector{0.25, 0.5, 0.25});
  meter.add(2, std::vector{0.8, 0.1, 0.1});
  return meter;
}

TEST(ClassificationMeter, CountsTheConfusionByTrueAndNamedClass) {
  const ClassificationScores scores = five_images().value();
  EXPECT_EQ(scores.images, 5);
  EXPECT_EQ(scores.confusion, (std::vector<int64_t>{1, 1, 0, 0, 2, 0, 1, 0, 0}));
  EXPECT_DOUBLE_EQ(scores.top1, 3.0 / 5);
  EXPECT_DOUBLE_EQ(scores.top5, 1);  // there are only three classes
}

TEST(ClassificationMeter, ScoresEachClass) {
  const ClassificationScores scores = five_images().value();
  EXPECT_EQ(scores.classes[0].images, 2);
  EXPECT_DOUBLE_EQ(scores.classes[0].precision, 1.0 / 2);
  EXPECT_DOUBLE_EQ(scores.classes[0].recall, 1.0 / 2);
  EXPECT_DOUBLE_EQ(scores.classes[0].f1, 1.0 / 2);
  EXPECT_DOUBLE_EQ(scores.classes[1].precision, 2.0 / 3);
  EXPECT_DOUBLE_EQ(scores.classes[1].recall, 1);
  EXPECT_DOUBLE_EQ(scores.classes[1].f1, 4.0 / 5);
  EXPECT_DOUBLE_EQ(scores.classes[2].precision, 0);
  EXPECT_DOUBLE_EQ(scores.classes[2].recall, 0);
  EXPECT_DOUBLE_EQ(scores.classes[2].f1, 0);
  EXPECT_DOUBLE_EQ(scores.macro_f1, (0.5 + 0.8 + 0) / 3);
}

TEST(ClassificationMeter, LossIsTheMeanNegativeLogarithmOfTheTrueClass) {
  EXPECT_NEAR(five_images().value().loss, -std::log(0.7 * 0.3 * 0.9 * 0.5 * 0.1) / 5, 1e-12);
}

TEST(ClassificationMeter, ATruthOfConfidenceZeroHasAFiniteLoss) {
  ClassificationMeter meter(2);
  meter.add(1, std::vector{1.0, 0.0});
  EXPECT_TRUE(std::isfinite(meter.value().loss));
  EXPECT_GT(meter.value().loss, 700);
}

// 0.7 and 0.8 fall into bins 10 (0.667, 0.733] and 11 (0.733, 0.8], 0.6 into 8, 0.9 into 13, 0.5 into 7.
TEST(ClassificationMeter, CalibrationErrorWeighsTheGapOfEachBin) {
  const ClassificationScores scores = five_images().value();
  EXPECT_EQ(scores.bins[10].images, 1);
  EXPECT_EQ(scores.bins[11].images, 1);
  EXPECT_EQ(scores.bins[8].images, 1);
  EXPECT_DOUBLE_EQ(scores.bins[11].accuracy, 0);
  EXPECT_DOUBLE_EQ(scores.bins[11].confidence, 0.8);
  EXPECT_NEAR(scores.ece, (0.3 + 0.6 + 0.1 + 0.5 + 0.8) / 5, 1e-12);
}

TEST(ClassificationMeter, ImagesOfOneBinAreAveragedBeforeTheGap) {
  ClassificationMeter meter(2);
  for (int i = 0; i < 4; ++i) meter.add(i == 0 ? 1 : 0, std::vector{0.75, 0.25});
  EXPECT_NEAR(meter.value().ece, 0, 1e-12);  // three of four right at 0.75
}

TEST(ClassificationMeter, ConfidenceOneAndZeroFindTheirBins) {
  ClassificationMeter meter(2);
  meter.add(0, std::vector{1.0, 0.0});
  EXPECT_EQ(meter.value().bins[14].images, 1);
  ClassificationMeter lonely(1);
  lonely.add(0, std::vector{0.0});
  EXPECT_EQ(lonely.value().bins[0].images, 1);
}

TEST(ClassificationMeter, TopFiveCountsTheFirstFiveWithTiesToTheLowerId) {
  ClassificationMeter meter(7);
  const std::vector<double> equal(7, 1.0 / 7);
  for (size_t truth = 0; truth < 7; ++truth) meter.add(truth, equal);
  const ClassificationScores scores = meter.value();
  EXPECT_DOUBLE_EQ(scores.top1, 1.0 / 7);
  EXPECT_DOUBLE_EQ(scores.top5, 5.0 / 7);
}

TEST(ClassificationMeter, ClassesWithoutImagesStayOutOfMacroF1) {
  ClassificationMeter meter(3);
  meter.add(0, std::vector{0.9, 0.1, 0.0});
  meter.add(0, std::vector{0.1, 0.9, 0.0});
  EXPECT_DOUBLE_EQ(meter.value().macro_f1, 2.0 / 3);
}

TEST(ClassificationMeter, NothingAddedIsZeroEverywhereAndResetGoesBackToIt) {
  ClassificationMeter meter = five_images();
  meter.reset();
  const ClassificationScores scores = meter.value();
  EXPECT_EQ(scores.images, 0);
  EXPECT_EQ(scores.top1, 0);
  EXPECT_EQ(scores.loss, 0);
  EXPECT_EQ(scores.ece, 0);
  EXPECT_EQ(scores.confusion, std::vector<int64_t>(9));
}

}  // namespace
}  // namespace resnetft
