// SPDX-License-Identifier: MIT
#include "train/trainer.h"

#include <gtest/gtest.h>

#include "tests/support/training.h"

namespace resnetft {
namespace {

using testing::different_tensors;
using testing::texture_training;
using testing::trained;

TEST(Trainer, LearnsATaskThatThePicturesTeach) {
  const TrainOutcome outcome = trained(texture_training({{"epochs", "4"}, {"hflip", "0"}}));
  ASSERT_TRUE(outcome.model);
  ASSERT_EQ(outcome.history.size(), 5u);  // the base first
  EXPECT_EQ(outcome.history[0].epoch, 0u);
  EXPECT_LT(outcome.history[4].train_loss, 0.5 * outcome.history[1].train_loss);
  EXPECT_GT(outcome.scores.top1, 0.9);
  EXPECT_EQ(outcome.stopped, Stopped::Completed);
  EXPECT_EQ(outcome.epochs, 4u);
}

TEST(Trainer, TheSameSeedGivesTheSameBitsAndAnotherSeedOthers) {
  const TrainSpec spec = texture_training({{"mixup-alpha", "0.2"}, {"random-erase", "0.5"}});
  const TrainOutcome first = trained(spec), second = trained(spec);
  EXPECT_EQ(different_tensors(*first.model, *second.model), std::vector<std::string>());
  TrainSpec other = spec;
  other.recipe.seed = 1;
  EXPECT_FALSE(different_tensors(*first.model, *trained(other).model).empty());
}

TEST(Trainer, TheNumberOfWorkersChangesNoBit) {
  TrainSpec spec = texture_training({{"epochs", "1"}});
  std::vector<std::shared_ptr<const Model>> models;
  for (const uint32_t workers : {1u, 2u, 7u}) {
    spec.recipe.workers = workers;
    models.push_back(trained(spec).model);
  }
  EXPECT_EQ(different_tensors(*models[0], *models[1]), std::vector<std::string>());
  EXPECT_EQ(different_tensors(*models[0], *models[2]), std::vector<std::string>());
}

}  // namespace
}  // namespace resnetft
