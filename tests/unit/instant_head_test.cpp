// SPDX-License-Identifier: MIT
// Discriminants worked out by hand.
#include "live/instant_head.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "infer/judge.h"
#include "tests/support/tiny_model.h"

namespace resnetft {
namespace {

void add(InstantHead& head, const std::string& label, const std::vector<float>& feature) { head.add(label, feature); }

// Scatter: a ((2, 2), (2, 2)), b nothing, c ((2, -2), (-2, 2)); together diag(4, 4) of 7 - 3 samples: the identity,
// which shrinkage does not change. So w = mean - centre, and the bias is -w . (centre + w / 2).
TEST(InstantHead, LdaIsTheDiscriminantOfTheClassMeansAndTheSharedCovariance) {
  InstantHead instant(InstantHeadKind::Lda, 2);
  add(instant, "a", {-1, 0});
  add(instant, "a", {1, 2});
  add(instant, "b", {4, 1});
  add(instant, "b", {4, 1});
  add(instant, "b", {4, 1});
  add(instant, "c", {2, 3});
  add(instant, "c", {4, 1});
  EXPECT_EQ(instant.classes(), 3u);
  EXPECT_EQ(instant.samples("b"), 3u);
  const LinearHead head = instant.head().value();
  EXPECT_EQ(head.labels, (std::vector<std::string>{"a", "b", "c"}));
  const double centre[2] = {7.0 / 3, 4.0 / 3}, means[3][2] = {{0, 1}, {4, 1}, {3, 2}};
  for (size_t i = 0; i < 3; ++i) {
    double bias = 0;
    for (size_t j = 0; j < 2; ++j) {
      EXPECT_NEAR(head.row(i)[j], means[i][j] - centre[j], 1e-6);
      bias -= (means[i][j] - centre[j]) * (means[i][j] + centre[j]) / 2;
    }
    EXPECT_NEAR(head.bias[i], bias, 1e-6);
  }
}

// Two classes at (-1, 0) and (1, 0), each with samples at +-2 along y and +-1 along x around its mean: scatter per
// class diag(2, 8), together diag(4, 16) of 8 - 2 = 6: S = diag(2/3, 8/3). OAS in two dimensions:
// rho = tr^2 / (n (tr(S^2) - tr^2 / 2)) = (100/9) / (6 * (68/9 - 50/9)) = 100 / 108.
TEST(InstantHead, TheCovarianceIsShrunkTowardsItsMeanVariance) {
  InstantHead instant(InstantHeadKind::Lda, 2);
  for (const float x : {-1.0f, 1.0f}) {
    const std::string label = x < 0 ? "left" : "right";
    add(instant, label, {x - 1, 0});
    add(instant, label, {x + 1, 0});
    add(instant, label, {x, -2});
    add(instant, label, {x, 2});
  }
  const double rho = 100.0 / 108, variance_x = (1 - rho) * 2 / 3 + rho * 5 / 3;
  const LinearHead head = instant.head().value();
  EXPECT_NEAR(head.row(0)[0], -1 / variance_x, 1e-6);
  EXPECT_NEAR(head.row(0)[1], 0, 1e-6);
  EXPECT_NEAR(head.row(1)[0], 1 / variance_x, 1e-6);
  EXPECT_NEAR(head.bias[0], head.bias[1], 1e-6);
}

// The same samples: the mean variance is (2/3 + 8/3) / 2.
TEST(InstantHead, MeansAreDividedByOneVariance) {
  InstantHead instant(InstantHeadKind::Means, 2);
  for (const float x : {-1.0f, 1.0f})
    for (const auto& [dx, dy] : {std::pair{-1.0f, 0.0f}, {1.0f, 0.0f}, {0.0f, -2.0f}, {0.0f, 2.0f}})
      add(instant, x < 0 ? "left" : "right", {x + dx, dy});
  const LinearHead head = instant.head().value();
  EXPECT_NEAR(head.row(1)[0], 1 / (5.0 / 3), 1e-6);
  EXPECT_NEAR(head.row(1)[1], 0, 1e-6);
}

TEST(InstantHead, OneSampleOfEachClassMakesTheNearestMean) {
  for (const InstantHeadKind kind : {InstantHeadKind::Lda, InstantHeadKind::Means}) {
    InstantHead instant(kind, 2);
    add(instant, "a", {0, 0});
    add(instant, "b", {2, 0});
    const LinearHead head = instant.head().value();
    const std::vector<float> near_a = head.logits(std::vector<float>{0.9f, 5});
    const std::vector<float> near_b = head.logits(std::vector<float>{1.1f, -5});
    EXPECT_GT(near_a[0], near_a[1]);
    EXPECT_LT(near_b[0], near_b[1]);
  }
}

TEST(InstantHead, NeedsTwoClassesAndSaysWhichIsThere) {
  InstantHead instant(InstantHeadKind::Lda, 1);
  EXPECT_EQ(instant.head().error().code, ErrorCode::InvalidArgument);
  add(instant, "cat", {1});
  EXPECT_EQ(instant.head().error().message, "a head needs two classes; there is only 'cat'");
}

TEST(InstantHead, GrowsByAClassAtAnyTime) {
  InstantHead instant(InstantHeadKind::Lda, 2);
  std::mt19937 random(1);
  std::normal_distribution<float> noise(0, 0.2f);
  const auto around = [&](float x, float y) { return std::vector<float>{x + noise(random), y + noise(random)}; };
  for (int i = 0; i < 50; ++i) {
    add(instant, "a", around(0, 0));
    add(instant, "b", around(3, 0));
  }
  EXPECT_EQ(instant.head().value().labels.size(), 2u);
  for (int i = 0; i < 3; ++i) add(instant, "c", around(0, 3));
  const LinearHead head = instant.head().value();
  ASSERT_EQ(head.labels.size(), 3u);
  int right = 0;
  for (int i = 0; i < 300; ++i) {
    const std::vector<float> logits = head.logits(i % 3 == 0 ? around(0, 0) : i % 3 == 1 ? around(3, 0) : around(0, 3));
    right += std::ranges::max_element(logits) - logits.begin() == i % 3;
  }
  EXPECT_EQ(right, 300);
}

// Two classes that differ in x only, and y = 10 x + noise hides them from the nearest mean.
TEST(InstantHead, LdaSeesThroughCorrelatedFeaturesWhereMeansDoNot) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0, 1);
  const auto draw = [&](int class_id) {
    const float shared = 5 * normal(random);
    return std::vector<float>{shared + 0.3f * normal(random) + static_cast<float>(class_id),
                              shared + 0.3f * normal(random) - static_cast<float>(class_id)};
  };
  InstantHead lda(InstantHeadKind::Lda, 2), means(InstantHeadKind::Means, 2);
  for (int i = 0; i < 400; ++i) {
    const std::vector<float> feature = draw(i % 2);
    add(lda, i % 2 ? "b" : "a", feature);
    add(means, i % 2 ? "b" : "a", feature);
  }
  int lda_right = 0, means_right = 0;
  const LinearHead lda_head = lda.head().value(), means_head = means.head().value();
  for (int i = 0; i < 400; ++i) {
    const std::vector<float> feature = draw(i % 2);
    const std::vector<float> by_lda = lda_head.logits(feature), by_means = means_head.logits(feature);
    lda_right += (by_lda[1] > by_lda[0]) == (i % 2 == 1);
    means_right += (by_means[1] > by_means[0]) == (i % 2 == 1);
  }
  EXPECT_GT(lda_right, 390);
  EXPECT_LE(means_right, lda_right);
}

TEST(InstantHead, ConstantFeaturesAreNoFault) {
  InstantHead instant(InstantHeadKind::Lda, 3);
  for (int i = 0; i < 20; ++i) {
    add(instant, "a", {0, 0, static_cast<float>(i % 2)});
    add(instant, "b", {0, 1, static_cast<float>(i % 2)});
  }
  const LinearHead head = instant.head().value();
  const std::vector<float> logits = head.logits(std::vector<float>{0, 0.9f, 0});
  EXPECT_GT(logits[1], logits[0]);
}

TEST(InstantHead, SaysSoWhenFeaturesAreNotFinite) {
  InstantHead instant(InstantHeadKind::Lda, 1);
  for (const float value : {1.0f, 2.0f, std::nanf("")}) add(instant, "a", {value});
  add(instant, "b", {1});
  EXPECT_EQ(instant.head().error().code, ErrorCode::Internal);
}

TEST(LinearHead, OfAModelGivesTheModelsLogits) {
  const std::shared_ptr<const Model> model = testing::tiny_model(3);
  const LinearHead head = head_of(*model).value();
  EXPECT_EQ(head.labels, model->card().labels);
  EXPECT_EQ(head.features, 64u);
  std::unique_ptr<Classifier> classifier =
      Classifier::create(Snapshot::create(model), {.threads = 1, .resize_mode = {}}).value();
  std::vector<uint8_t> gray(32 * 32 * 3, 100);
  const ImageView view{.width = 32, .height = 32, .planes = {gray.data()}, .strides = {96}};
  const Judgement judgement = classifier->classify({&view, 1}, 1).value()[0];
  const std::vector<float> logits = head.logits(judgement.embedding);
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(logits[i], judgement.logits[i], 1e-4 * std::abs(logits[i]) + 1e-5);
}

TEST(LinearHead, ReplacesTheClassesOfAModelAndKeepsItsTrunk) {
  const std::shared_ptr<const Model> base = testing::tiny_model(3);
  const LinearHead two{{"x", "y"}, 64, std::vector<float>(128, 0.5f), {1, 2}};
  const std::shared_ptr<const Model> model = with_head(*base, two, 1.5, R"({"parent":"p"})").value();
  EXPECT_EQ(model->card().labels, two.labels);
  EXPECT_EQ(model->card().num_classes, 2);
  EXPECT_EQ(model->card().temperature, 1.5);
  EXPECT_EQ(model->card().provenance_json, R"({"parent":"p"})");
  EXPECT_EQ(head_of(*model).value().weight, two.weight);
  EXPECT_EQ(feature_origin(*model, "fp32").value(), feature_origin(*base, "fp32").value());
}

TEST(LinearHead, TheOriginOfFeaturesFollowsTrunkPreprocessingAndPrecision) {
  const std::shared_ptr<const Model> base = testing::tiny_model(3);
  const std::string origin = feature_origin(*base, "fp32").value();
  EXPECT_NE(feature_origin(*base, "bf16").value(), origin);
  EXPECT_NE(feature_origin(*testing::tiny_model(4), "fp32").value(), origin);
  ModelCard card = base->card();
  card.preprocess.resize = 36;
  const std::shared_ptr<const Model> other = Model::create(card, **base->weights()).value();
  EXPECT_NE(feature_origin(*other, "fp32").value(), origin);
}

}  // namespace
}  // namespace resnetft
