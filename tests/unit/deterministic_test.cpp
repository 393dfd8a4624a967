// SPDX-License-Identifier: MIT
// --deterministic is LibTorch's flag while a run lives, and changes no bit of it on the CPU.
#include <ATen/Context.h>
#include <gtest/gtest.h>

#include "tests/support/training.h"
#include "train/torch/run.h"

namespace resnetft {
namespace {

using testing::texture_training;

TrainOutcome run_noting(const TrainSpec& spec, bool& was_on) {
  TrainObserver observer;
  observer.step = [&](double, double) { was_on = at::globalContext().deterministicAlgorithms(); };
  Result<TrainOutcome> outcome = run_training(spec, observer, {});
  if (!outcome) ADD_FAILURE() << to_string(outcome.error());
  return outcome ? std::move(*outcome) : TrainOutcome{};
}

TEST(Deterministic, TheFlagIsOnWhileTheRunLivesAndTheWeightsAreTheSame) {
  TrainSpec spec = texture_training({{"mixup-alpha", "0.2"}, {"model-ema", "true"}}, 48);
  bool plain_on = true, flagged_on = false;
  const TrainOutcome plain = run_noting(spec, plain_on);
  spec.recipe.deterministic = true;
  const TrainOutcome flagged = run_noting(spec, flagged_on);
  EXPECT_FALSE(plain_on);
  EXPECT_TRUE(flagged_on);
  EXPECT_FALSE(at::globalContext().deterministicAlgorithms());
  ASSERT_TRUE(plain.model && flagged.model);
  EXPECT_EQ(testing::different_tensors(*plain.model, *flagged.model), std::vector<std::string>());
}

}  // namespace
}  // namespace resnetft
