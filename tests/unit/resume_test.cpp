// SPDX-License-Identifier: MIT
// A run that was stopped and resumed is the run that was never stopped, to the bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/support/temporary_folder.h"
#include "tests/support/training.h"
#include "train/checkpoint.h"

namespace resnetft {
namespace {

using testing::different_tensors;
using testing::Settings;
using testing::TemporaryFolder;
using testing::texture_training;
using testing::trained;

constexpr size_t kPictures = 40;  // 5 batches of 8: 3 steps of 2 batches, the last one short

Settings everything_on() {
  return {{"epochs", "2"},           {"batch-size", "8"},         {"grad-accum-steps", "2"},
          {"mixup-alpha", "0.3"},    {"cutmix-alpha", "1"},       {"model-ema", "true"},
          {"model-ema-steps", "1"},  {"lr-warmup-epochs", "0.5"}, {"checkpoint-interval", "1"},
          {"checkpoint-hist", "100"}};
}

// Asks to stop when the first step is reported.
Result<TrainOutcome> stopped_at_once(const TrainSpec& spec) {
  std::stop_source source;
  TrainObserver observer;
  observer.progress = [&](const TrainProgress& progress) {
    if (progress.phase == "train") source.request_stop();
  };
  return train(spec, observer, source.get_token());
}

void expect_same(const TrainOutcome& a, const TrainOutcome& b) {
  EXPECT_EQ(different_tensors(*a.model, *b.model), std::vector<std::string>());
  EXPECT_EQ(a.best_epoch, b.best_epoch);
  EXPECT_EQ(a.best_is_ema, b.best_is_ema);
  EXPECT_EQ(a.scores.confusion, b.scores.confusion);
  ASSERT_EQ(a.history.size(), b.history.size());
  for (size_t i = 0; i < a.history.size(); ++i) {
    EXPECT_EQ(a.history[i].epoch, b.history[i].epoch);
    EXPECT_EQ(a.history[i].train_loss, b.history[i].train_loss);
    EXPECT_EQ(a.history[i].train_top1, b.history[i].train_top1);
    EXPECT_EQ(a.history[i].learning_rate, b.history[i].learning_rate);
    EXPECT_EQ(a.history[i].validation->loss, b.history[i].validation->loss);
    if (a.history[i].validation_ema) {
      EXPECT_EQ(a.history[i].validation_ema->loss, b.history[i].validation_ema->loss);
    }
  }
}

// Every tensor of the last checkpoint of two runs: weights, average, optimiser, best.
void expect_same_last_checkpoint(const std::string& a, const std::string& b) {
  const Result<Checkpoint> left = read_checkpoint(latest_checkpoint(a).value());
  const Result<Checkpoint> right = read_checkpoint(latest_checkpoint(b).value());
  ASSERT_TRUE(left.ok() && right.ok());
  ASSERT_EQ(left->tensors.tensors.size(), right->tensors.tensors.size());
  for (size_t i = 0; i < left->tensors.tensors.size(); ++i) {
    const Tensor &x = left->tensors.tensors[i], &y = right->tensors.tensors[i];
    EXPECT_EQ(x.name, y.name);
    EXPECT_TRUE(std::ranges::equal(x.bytes, y.bytes)) << x.name;
  }
}

std::vector<std::string> checkpoints_of(const TemporaryFolder& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder.file(""))) paths.push_back(entry.path().string());
  std::ranges::sort(paths);
  return paths;
}

TEST(Resume, FromEveryStepIsTheRunThatWasNeverStopped) {
  const TemporaryFolder whole_folder;
  TrainSpec spec = texture_training(everything_on(), kPictures);
  spec.checkpoint_folder = whole_folder.file("");
  const TrainOutcome whole = trained(spec);
  ASSERT_TRUE(whole.model);
  const std::vector<std::string> checkpoints = checkpoints_of(whole_folder);
  ASSERT_EQ(checkpoints.size(), 6u);
  for (const std::string& checkpoint : checkpoints) {
    const TemporaryFolder folder;
    TrainSpec again = spec;
    again.checkpoint_folder = folder.file("");
    again.resume_file = checkpoint;
    const TrainOutcome resumed = trained(again);
    ASSERT_TRUE(resumed.model) << checkpoint;
    expect_same(whole, resumed);
    // From the last one on there was nothing left to write.
    if (folder.entries() > 0) expect_same_last_checkpoint(spec.checkpoint_folder, again.checkpoint_folder);
  }
}

Settings head_on_features() {
  return {{"trainable", "head"},        {"lr", "auto"},
          {"cache", "features"},        {"epochs", "4"},
          {"checkpoint-interval", "1"}, {"checkpoint-hist", "100"},
          {"model-ema", "true"},        {"model-ema-steps", "1"},
          {"lr-scheduler", "constant"}};
}

TEST(Resume, AHeadOnFeaturesGoesOnWithItsRateFromEveryStep) {
  const TemporaryFolder whole_folder;
  TrainSpec spec = texture_training(head_on_features(), kPictures);
  ASSERT_EQ(spec.recipe.lr, 0) << "its rate follows from the features";
  spec.checkpoint_folder = whole_folder.file("");
  Recipe resolved;
  TrainObserver observer;
  observer.resolved = [&](const Recipe& recipe, const std::string&) { resolved = recipe; };
  const TrainOutcome whole = trained(spec, observer);
  ASSERT_TRUE(whole.model);
  EXPECT_GT(resolved.lr, 0);
  EXPECT_EQ(resolved.lr, whole.history[1].learning_rate);
  for (const std::string& checkpoint : checkpoints_of(whole_folder))
    for (const double rate : {0.0, resolved.lr}) {  // as it was asked for, and as args.ini has it
      TrainSpec again = spec;
      again.checkpoint_folder = "";
      again.resume_file = checkpoint;
      again.recipe.lr = rate;
      const TrainOutcome resumed = trained(again);
      ASSERT_TRUE(resumed.model) << checkpoint;
      expect_same(whole, resumed);
    }
  spec.resume_file = checkpoints_of(whole_folder).front();
  spec.recipe.lr = 2 * resolved.lr;
  EXPECT_EQ(train(spec, {}, {}).error().code, ErrorCode::Incompatible);
}

TEST(Resume, TheRateThatFollowedFromFeaturesRepeatsTheRun) {
  TrainSpec spec = texture_training(head_on_features(), kPictures);
  TrainObserver observer;
  observer.resolved = [&](const Recipe& recipe, const std::string&) { spec.recipe = recipe; };
  const TrainSpec asked = spec;
  const TrainOutcome once = trained(asked, observer);
  ASSERT_NE(spec.recipe.lr, asked.recipe.lr);
  expect_same(once, trained(spec));
}

TEST(Resume, AfterAStopInTheMiddleOfAnEpochItGoesOn) {
  const TrainOutcome whole = trained(texture_training(everything_on(), kPictures));
  const TemporaryFolder folder;
  TrainSpec spec = texture_training(everything_on(), kPictures);
  spec.checkpoint_folder = folder.file("");
  const Result<TrainOutcome> stopped = stopped_at_once(spec);
  ASSERT_TRUE(stopped.ok()) << to_string(stopped.error());
  EXPECT_EQ(stopped->stopped, Stopped::Signal);
  EXPECT_EQ(stopped->epochs, 0u);
  spec.resume_file = latest_checkpoint(spec.checkpoint_folder).value();
  const TrainOutcome resumed = trained(spec);
  EXPECT_EQ(resumed.stopped, Stopped::Completed);
  expect_same(whole, resumed);
}

TEST(Resume, HeadEpochsAndAdamGoOnInEitherPhase) {
  const Settings settings = {{"head-epochs", "1"},      {"epochs", "1"}, {"batch-size", "16"},
                             {"opt", "adamw"},          {"lr", "0.001"}, {"checkpoint-interval", "1"},
                             {"checkpoint-hist", "100"}};
  const TemporaryFolder whole_folder;
  TrainSpec spec = texture_training(settings, kPictures);
  spec.checkpoint_folder = whole_folder.file("");
  const TrainOutcome whole = trained(spec);
  const std::vector<std::string> checkpoints = checkpoints_of(whole_folder);
  ASSERT_EQ(checkpoints.size(), 6u);
  for (const size_t index : {0u, 2u, 3u}) {  // inside the first phase, at its end, inside the second
    TrainSpec again = spec;
    again.checkpoint_folder.clear();
    again.resume_file = checkpoints[index];
    SCOPED_TRACE(checkpoints[index]);
    const TrainOutcome resumed = trained(again);
    ASSERT_TRUE(resumed.model);
    expect_same(whole, resumed);
  }
}

TEST(Resume, WithOtherDataClassesOrOptionsIsRefusedNamingWhatDiffers) {
  const TemporaryFolder folder;
  TrainSpec spec = texture_training({{"epochs", "1"}}, kPictures);
  spec.checkpoint_folder = folder.file("");
  ASSERT_TRUE(trained(spec).model);
  spec.resume_file = latest_checkpoint(spec.checkpoint_folder).value();
  const auto refusal = [](const TrainSpec& changed) {
    const Result<TrainOutcome> outcome = train(changed, {}, {});
    return outcome.ok() ? std::string("(accepted)") : outcome.error().message;
  };
  TrainSpec other = spec;
  other.recipe.label_smoothing = 0.1;
  EXPECT_NE(refusal(other).find("label-smoothing: 0, now 0.1"), std::string::npos) << refusal(other);
  other = spec;
  other.train = testing::texture_dataset(kPictures + 3, 1);
  EXPECT_NE(refusal(other).find("training data"), std::string::npos) << refusal(other);
  other = spec;
  other.train = testing::texture_dataset(kPictures, 1, 32, {"a", "b", "d"});
  other.validation = testing::texture_dataset(12, 2, 32, {"a", "b", "d"});
  EXPECT_NE(refusal(other).find("classes: a, b, c, now a, b, d"), std::string::npos) << refusal(other);
  other = spec;
  other.card.preprocess.mean[0] += 0.1f;
  EXPECT_NE(refusal(other).find("model"), std::string::npos) << refusal(other);
  other = spec;
  other.recipe.workers = 1;
  other.recipe.checkpoint_hist = 7;
  EXPECT_EQ(refusal(other), "(accepted)");
}

TEST(Resume, OtherThreadsAreWarnedOfOnce) {
  const TemporaryFolder folder;
  TrainSpec spec = texture_training({{"epochs", "1"}}, kPictures);
  spec.checkpoint_folder = folder.file("");
  ASSERT_TRUE(trained(spec).model);
  spec.resume_file = latest_checkpoint(spec.checkpoint_folder).value();
  spec.recipe.threads = 1;
  std::vector<std::string> warnings;
  TrainObserver observer;
  observer.note = [&](const std::string& sentence) {
    if (sentence.find("threads: 2, now 1") != std::string::npos) warnings.push_back(sentence);
  };
  trained(spec, observer);
  EXPECT_EQ(warnings.size(), 1u);
}

TEST(Resume, WhatIsNoCheckpointIsNamed) {
  const TemporaryFolder folder;
  TrainSpec spec = texture_training({{"epochs", "1"}}, kPictures);
  EXPECT_EQ(latest_checkpoint(folder.file("")).error().code, ErrorCode::NotFound);
  spec.resume_file = folder.file("none.safetensors");
  EXPECT_EQ(train(spec, {}, {}).error().code, ErrorCode::NotFound);
  spec.resume_file = folder.file("model.safetensors");
  ASSERT_TRUE(save_model(*spec.base, spec.resume_file).ok());
  const Result<TrainOutcome> outcome = train(spec, {}, {});
  EXPECT_EQ(outcome.error().code, ErrorCode::CorruptFile);
  EXPECT_NE(outcome.error().message.find(spec.resume_file), std::string::npos);
}

TEST(Resume, OnlyTheNewestCheckpointsAreKept) {
  const TemporaryFolder folder;
  TrainSpec spec = texture_training({{"epochs", "2"}, {"checkpoint-interval", "1"}, {"checkpoint-hist", "2"}}, 32);
  spec.checkpoint_folder = folder.file("");
  trained(spec);
  ASSERT_EQ(folder.entries(), 2u);
  EXPECT_TRUE(latest_checkpoint(spec.checkpoint_folder).value().ends_with("checkpoint-0000000004.safetensors"));
}

}  // namespace
}  // namespace resnetft
