// SPDX-License-Identifier: MIT
// Learning rates against torch's schedulers over 20 steps, within 1e-5 of each value.
#include <gtest/gtest.h>

#include "tests/support/training_values.h"
#include "train/recipe.h"

namespace resnetft {
namespace {

constexpr uint64_t kStepsPerEpoch = 2;

Recipe recipe_of(LrScheduler scheduler) {
  Recipe recipe;
  recipe.lr_scheduler = scheduler;
  recipe.lr = 0.4;
  recipe.epochs = 10;
  recipe.lr_step_size = 3;
  recipe.lr_gamma = 0.5;
  recipe.lr_min = scheduler == LrScheduler::Cosine ? 0.01 : 0;
  return recipe;
}

void expect_rates(const Recipe& recipe, const char* name) {
  const std::vector<double> rates = testing::training_values().at("schedules").at(name);
  ASSERT_EQ(rates.size(), kStepsPerEpoch * recipe.epochs);
  for (size_t step = 0; step < rates.size(); ++step)
    EXPECT_NEAR(learning_rate(recipe, step, kStepsPerEpoch), rates[step], 1e-5 * rates[step]) << name << " " << step;
}

TEST(Schedule, EachIsTorchs) {
  expect_rates(recipe_of(LrScheduler::Cosine), "cosine");
  expect_rates(recipe_of(LrScheduler::Step), "step");
  expect_rates(recipe_of(LrScheduler::OneCycle), "onecycle");
  expect_rates(recipe_of(LrScheduler::Constant), "constant");
}

TEST(Schedule, AWarmUpIsTorchsLinearThenTheSchedule) {
  for (const auto& [scheduler, name] :
       {std::pair{LrScheduler::Cosine, "cosine-warmup"}, {LrScheduler::Step, "step-warmup"}}) {
    Recipe recipe = recipe_of(scheduler);
    recipe.lr_warmup_epochs = 2.5;
    expect_rates(recipe, name);
  }
}

TEST(Schedule, PlateauIsTorchs) {
  const nlohmann::json plateau = testing::training_values().at("schedules").at("plateau");
  const std::vector<double> metric = plateau.at("metric"), rates = plateau.at("rates");
  Recipe recipe = recipe_of(LrScheduler::Plateau);
  recipe.lr_step_size = 2;
  recipe.lr_min = 0.02;
  for (size_t epoch = 0; epoch < metric.size(); ++epoch) {
    const double factor = plateau_factor(recipe, std::span(metric).first(epoch), false);
    EXPECT_NEAR(recipe.lr * factor, rates[epoch], 1e-5 * rates[epoch]) << epoch;
  }
  std::vector<double> loss;
  for (const double value : metric) loss.push_back(1 / value);
  EXPECT_LT(plateau_factor(recipe, loss, true), 1);
  EXPECT_EQ(plateau_factor(recipe, {}, true), 1);
}

TEST(Schedule, AWarmUpAsLongAsTheRunNeverDividesByZero) {
  Recipe recipe = recipe_of(LrScheduler::Cosine);
  recipe.epochs = 1;
  recipe.lr_warmup_epochs = 5;
  EXPECT_GT(learning_rate(recipe, 0, 1), 0);
  recipe.lr_scheduler = LrScheduler::OneCycle;
  for (uint64_t step = 0; step < 2; ++step) EXPECT_TRUE(std::isfinite(learning_rate(recipe, step, 2)));
}

}  // namespace
}  // namespace resnetft
