// SPDX-License-Identifier: MIT
#include "train/calibration.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

namespace resnetft {
namespace {

// Two classes, logits +-`logit`; of `samples` pictures, by turns of either class, every `wrong_each`th is named
// wrongly.
LabelledLogits two_classes(size_t samples, size_t wrong_each, float logit) {
  LabelledLogits judged{.classes = 2, .logits = {}, .truths = {}};
  for (size_t i = 0; i < samples; ++i) {
    const size_t truth = i % 2;
    const size_t named = i % wrong_each == wrong_each - 1 ? 1 - truth : truth;
    judged.truths.push_back(truth);
    judged.logits.insert(judged.logits.end(), {named == 0 ? logit : -logit, named == 0 ? -logit : logit});
  }
  return judged;
}

std::vector<size_t> all_of(const LabelledLogits& judged) {
  std::vector<size_t> samples(judged.truths.size());
  std::iota(samples.begin(), samples.end(), size_t{0});
  return samples;
}

// A share p is right and the margin is m: without the prior the best confidence is p, so T = m / log(p / (1 - p)).
TEST(Calibration, TheFitIsTheClosedFormOfTwoClassesWhereThePriorWeighsNothing) {
  const LabelledLogits judged = two_classes(200000, 5, 4);
  EXPECT_NEAR(fit_temperature(judged, all_of(judged)), 8 / std::log(4.0), 1e-2);
}

TEST(Calibration, ThePriorPullsSmallSamplesTowardsOne) {
  const LabelledLogits few = two_classes(100, 5, 4), many = two_classes(10000, 5, 4);
  const double with_few = fit_temperature(few, all_of(few)), with_many = fit_temperature(many, all_of(many));
  EXPECT_LT(with_few, with_many);
  EXPECT_GT(with_few, 1);
  const auto objective = [](double log_temperature, double samples) {
    const double margin = 8 * std::exp(-log_temperature);
    return 0.8 * std::log1p(std::exp(-margin)) + 0.2 * std::log1p(std::exp(margin)) +
           10 * log_temperature * log_temperature / samples;
  };
  const double at = std::log(with_few);
  EXPECT_LT(objective(at, 100), objective(at - 1e-3, 100));
  EXPECT_LT(objective(at, 100), objective(at + 1e-3, 100));
}

TEST(Calibration, TheTemperatureStaysInItsRange) {
  const LabelledLogits never_right = two_classes(100000, 1, 40), always_right = two_classes(100000, 100001, 0.01f);
  EXPECT_NEAR(fit_temperature(never_right, all_of(never_right)), kMaxTemperature, 1e-5);
  EXPECT_NEAR(fit_temperature(always_right, all_of(always_right)), kMinTemperature, 1e-6);
}

TEST(Calibration, TooFewSamplesOrMistakesKeepTheOldTemperatureAndSaySo) {
  const Calibration few = calibrate(two_classes(99, 5, 4), 1.5);
  EXPECT_FALSE(few.fitted);
  EXPECT_EQ(few.temperature, 1.5);
  EXPECT_EQ(few.after.ece, few.before.ece);
  EXPECT_NE(few.why.find("99 samples"), std::string::npos) << few.why;
  const Calibration sure = calibrate(two_classes(120, 60, 4), 1.5);
  EXPECT_FALSE(sure.fitted);
  EXPECT_NE(sure.why.find("2 mistakes"), std::string::npos) << sure.why;
  EXPECT_TRUE(calibrate(two_classes(100, 33, 4), 1.5).fitted);
}

TEST(Calibration, AnOverconfidentModelBecomesCalibrated) {
  const Calibration calibration = calibrate(two_classes(10000, 5, 4), 1);
  EXPECT_EQ(calibration.mistakes, 2000u);
  EXPECT_NEAR(calibration.before.ece, 0.2, 1e-3);  // says 0.9997, is right 0.8 times
  EXPECT_LT(calibration.after.ece, 0.01);
  EXPECT_EQ(calibration.after.top1, calibration.before.top1);
  EXPECT_LT(calibration.after.loss, calibration.before.loss);
}

// One half is always right and the other never: a temperature that had seen its own half would look good.
TEST(Calibration, TheErrorAfterIsMeasuredOnSamplesThatDidNotFit) {
  LabelledLogits judged = two_classes(400, 401, 4);
  for (size_t i = 0; i < judged.truths.size(); ++i)
    if (i / 2 % 2 == 1) std::swap(judged.logits[2 * i], judged.logits[2 * i + 1]);
  const Calibration calibration = calibrate(judged, 1);
  // The right half gets the wrong half's T, near 10: confidence 0.69 where it is always right. The wrong half gets the
  // right half's, near 1: confidence 1 where it never is.
  EXPECT_GT(calibration.after.ece, 0.6);
}

}  // namespace
}  // namespace resnetft
