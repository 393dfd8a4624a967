// SPDX-License-Identifier: MIT
#include "train/torch/standardized_head.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cstring>

#include "train/torch/parameters.h"

namespace resnetft {
namespace {

constexpr int64_t kRows = 200, kWidth = 64, kClasses = 3;

// Columns of other means and sizes, of which one never varies; some rows hold no picture.
at::Tensor crooked_features() {
  const auto generator = at::detail::createCPUGenerator(7);
  at::Tensor features = at::randn({kRows, kWidth}, generator);
  features = features * at::linspace(0.01, 3, kWidth) + at::linspace(-2, 5, kWidth);
  features.select(1, 5).fill_(0.25);
  return features.contiguous();
}

FeatureRows rows_of(const at::Tensor& features) {
  FeatureRows rows{FeatureStore::create("", kRows, kWidth).value(), {kWidth}, std::vector<int64_t>(kRows)};
  std::memcpy(rows.store->row(0), features.const_data_ptr(), features.nbytes());
  for (int64_t i = 0; i < kRows; ++i) rows.class_ids[static_cast<size_t>(i)] = i % 10 == 9 ? kNoRow : i % kClasses;
  for (size_t i = 0; i < rows.class_ids.size(); ++i)
    if (rows.class_ids[i] == kNoRow) std::memset(rows.store->row(i), 0, kWidth * sizeof(float));
  return rows;
}

at::Tensor valid_rows(const FeatureRows& rows) {
  std::vector<at::Tensor> list;
  for (size_t i = 0; i < rows.class_ids.size(); ++i)
    if (rows.class_ids[i] != kNoRow) list.push_back(at::from_blob(rows.store->row(i), {kWidth}, at::kFloat).clone());
  return at::stack(list).to(at::kDouble);
}

TEST(StandardizedHead, ColumnsGetMeanZeroAndDeviationOneButOneThatNeverVariesStays) {
  FeatureRows rows = rows_of(crooked_features());
  standardize(rows);
  const at::Tensor values = valid_rows(rows);
  EXPECT_LT(values.mean(0).abs().max().item<double>(), 1e-5);
  const at::Tensor deviation = values.std(0, /*unbiased=*/false);
  EXPECT_LT(deviation[5].item<double>(), 1e-5);
  EXPECT_NEAR(deviation[6].item<double>(), 1, 1e-4);
  EXPECT_NEAR(deviation[63].item<double>(), 1, 1e-4);
}

TEST(StandardizedHead, TheBoundIsHalfTheLargestEigenvalueOfTheSecondMoment) {
  FeatureRows rows = rows_of(crooked_features());
  const FeatureScale scale = standardize(rows);
  const at::Tensor values = valid_rows(rows);
  const at::Tensor second_moment = values.t().mm(values) / static_cast<double>(values.size(0));
  EXPECT_NEAR(scale.smoothness, 0.5 * at::linalg_eigvalsh(second_moment).max().item<double>(), 0.02 * scale.smoothness);
}

ResNet small_net() {
  ResNet net(*find_architecture("resnet20"), kClasses, Normalization::Batch);
  net.draw_initial_weights(at::detail::createCPUGenerator(3));
  return net;
}

TEST(StandardizedHead, SaysOfStandardisedFeaturesWhatTheNetSaysOfPlainOnes) {
  const c10::InferenceMode inference;
  const at::Tensor features = crooked_features();
  ResNet net = small_net();
  const at::Tensor wanted = net.logits(features);
  FeatureRows rows = rows_of(features);
  const StandardizedHead head(net, standardize(rows));
  for (int64_t i = 0; i < kRows; ++i) {
    if (rows.class_ids[static_cast<size_t>(i)] == kNoRow) continue;
    const at::Tensor row = at::from_blob(rows.store->row(static_cast<size_t>(i)), {kWidth}, at::kFloat);
    EXPECT_TRUE(at::allclose(head.weight().mv(row) + head.bias(), wanted[i], 1e-4, 1e-4)) << i;
  }
}

TEST(StandardizedHead, WhatItLearnsStandsInTheNetForPlainFeatures) {
  ResNet net = small_net();
  const at::Tensor features = crooked_features();
  FeatureRows rows = rows_of(features);
  const StandardizedHead head(net, standardize(rows));
  Recipe recipe;
  recipe.trainable = Trainable::Head;
  freeze(net, recipe, Normalization::Batch);
  std::vector<ParameterGroup> groups = parameter_groups(net, recipe);
  head.replace_in(groups);
  ParameterOptimizer optimizer(recipe, groups);
  for (const ParameterGroup& group : groups)
    for (at::Tensor parameter : group.parameters) parameter.mutable_grad() = at::ones_like(parameter);
  optimizer.step(0.5);
  head.write_to_net();
  const c10::InferenceMode inference;
  const at::Tensor row = at::from_blob(rows.store->row(0), {kWidth}, at::kFloat);
  EXPECT_TRUE(at::allclose(head.weight().mv(row) + head.bias(), net.logits(features.slice(0, 0, 1))[0], 1e-4, 1e-3));
}

}  // namespace
}  // namespace resnetft
