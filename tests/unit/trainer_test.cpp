// SPDX-License-Identifier: MIT
#include "train/trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <ctime>
#include <thread>

#include "tests/support/temporary_folder.h"
#include "tests/support/training.h"
#include "train/checkpoint.h"

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

// The names that differ from the base's, without those that `may_learn` accepts.
std::vector<std::string> frozen_that_moved(const TrainSpec& spec, bool (*may_learn)(const std::string&)) {
  const TrainOutcome outcome = trained(spec);
  if (!outcome.model) return {"there is no model"};
  std::vector<std::string> moved;
  size_t learned = 0;
  for (const std::string& name : different_tensors(*spec.base, *outcome.model)) {
    if (may_learn(name))
      ++learned;
    else
      moved.push_back(name);
  }
  EXPECT_GT(learned, 0u);
  return moved;
}

bool is_head(const std::string& name) { return name.starts_with("linear."); }
bool is_last_stage(const std::string& name) { return is_head(name) || name.starts_with("layer3."); }
bool is_norm(const std::string& name) { return name.find("bn") != std::string::npos; }

TEST(Trainer, WhatIsFrozenKeepsItsBits) {
  const std::vector<std::string> none;
  for (const char* cache : {"none", "features"}) {
    SCOPED_TRACE(cache);
    EXPECT_EQ(frozen_that_moved(texture_training({{"trainable", "head"}, {"cache", cache}}, 48), is_head), none);
    EXPECT_EQ(frozen_that_moved(texture_training({{"trainable", "layer4"}, {"cache", cache}}, 48), is_last_stage),
              none);
  }
}

TEST(Trainer, FrozenNormalisationKeepsStatisticsAndScaleAndOnlyTheFirstWithTrainAffine) {
  const std::vector<std::string> none;
  TrainSpec spec = texture_training({{"norm", "frozen"}, {"epochs", "1"}, {"lr", "1e-6"}}, 48);
  EXPECT_EQ(frozen_that_moved(spec, [](const std::string& name) { return !is_norm(name); }), none);
  spec.recipe.norm_train_affine = true;
  const auto learns = [](const std::string& name) { return name.find(".running_") == std::string::npos; };
  EXPECT_EQ(frozen_that_moved(spec, learns), none);
  const TrainOutcome outcome = trained(spec);
  const std::vector<std::string> different = different_tensors(*spec.base, *outcome.model);
  EXPECT_TRUE(std::ranges::count(different, "bn1.weight"));
  EXPECT_EQ(outcome.model->card().normalization, Normalization::Frozen);
}

TEST(Trainer, LayerAndGroupNormalisationAreConvertedAndTrained) {
  for (const char* norm : {"layer", "group"}) {
    const TrainOutcome outcome = trained(texture_training({{"norm", norm}, {"epochs", "1"}}, 48));
    ASSERT_TRUE(outcome.model) << norm;
    EXPECT_FALSE(outcome.model->weights().value()->contains("bn1.running_mean"));
  }
}

TEST(Trainer, AHeadOnCachedFeaturesBeginsAsOnUnaugmentedPicturesAndLearnsFaster) {
  const testing::Settings settings = {{"trainable", "head"}, {"crop", "none"}, {"hflip", "0"},
                                      {"epochs", "3"},       {"lr", "0.05"},   {"seed", "5"}};
  TrainSpec pixels = texture_training(settings, 48), features = texture_training(settings, 48);
  features.recipe.cache = CacheKind::Features;
  const TrainOutcome a = trained(pixels), b = trained(features);
  ASSERT_EQ(a.history.size(), b.history.size());
  EXPECT_NEAR(a.history[0].validation->loss, b.history[0].validation->loss, 1e-4 * a.history[0].validation->loss);
  EXPECT_LT(b.history.back().train_loss, 0.5 * a.history.back().train_loss);
}

TEST(Trainer, ALastStageOnCachedFeaturesLearnsAsOnUnaugmentedPicturesAndWithinItsBytesOnly) {
  const testing::Settings settings = {{"trainable", "layer4"}, {"crop", "none"}, {"hflip", "0"}, {"epochs", "2"}};
  TrainSpec pixels = texture_training(settings, 48), features = texture_training(settings, 48);
  features.recipe.cache = CacheKind::Features;
  std::vector<std::string> notes;
  TrainObserver observer;
  observer.note = [&](const std::string& sentence) { notes.push_back(sentence); };
  const TrainOutcome a = trained(pixels), b = trained(features, observer);
  for (size_t i = 1; i < a.history.size(); ++i)
    EXPECT_NEAR(a.history[i].train_loss, b.history[i].train_loss, 1e-3 * a.history[i].train_loss);
  ASSERT_FALSE(notes.empty());
  // 60 pictures of 32 channels, 16x16.
  EXPECT_NE(notes.back().find(std::to_string(60 * 32 * 16 * 16 * 4)), std::string::npos) << notes.back();
  features.recipe.cache_max_bytes = 1000;
  trained(features, observer);
  EXPECT_NE(notes.back().find("pixels"), std::string::npos) << notes.back();
}

TEST(Trainer, TheHeadLearnsAloneInTheFirstEpochsThenAllDoes) {
  TrainSpec spec = texture_training({{"head-epochs", "2"}, {"epochs", "1"}}, 48);
  std::vector<double> rates;
  TrainObserver observer;
  observer.epoch = [&](const EpochReport& report) { rates.push_back(report.learning_rate); };
  const TrainOutcome outcome = trained(spec, observer);
  EXPECT_EQ(outcome.epochs, 3u);
  ASSERT_EQ(rates.size(), 4u);  // the base's first
  EXPECT_EQ(outcome.history.back().epoch, 3u);
}

TEST(Trainer, EmaIsJudgedBesideThePlainWeightsAndTheBetterOneIsTheModel) {
  const TrainOutcome outcome =
      trained(texture_training({{"model-ema", "true"}, {"epochs", "3"}, {"eval-metric", "loss"}}));
  double best = 1e9;
  bool is_ema = false;
  for (size_t i = 1; i < outcome.history.size(); ++i) {
    ASSERT_TRUE(outcome.history[i].validation_ema);
    for (const bool ema : {false, true}) {
      const double loss = (ema ? outcome.history[i].validation_ema : outcome.history[i].validation)->loss;
      if (loss >= best) continue;
      best = loss;
      is_ema = ema;
    }
  }
  EXPECT_EQ(outcome.scores.loss, best);
  EXPECT_EQ(outcome.best_is_ema, is_ema);
}

TEST(Trainer, AccumulatedBatchesAreOneLargeBatchWhereNormalisationIsFrozen) {
  const testing::Settings settings = {{"norm", "frozen"}, {"epochs", "1"}, {"momentum", "0"}, {"lr", "1e-6"}};
  TrainSpec large = texture_training(settings, 48), small = texture_training(settings, 48);
  small.recipe.batch_size = 8;
  small.recipe.grad_accum_steps = 2;
  const TrainOutcome a = trained(large), b = trained(small);
  EXPECT_NEAR(a.history[1].train_loss, b.history[1].train_loss, 1e-4 * a.history[1].train_loss);
}

TEST(Trainer, ALossThatIsNotFiniteNamesTheStepAndKeepsTheBestModel) {
  TrainSpec spec = texture_training({{"epochs", "2"}, {"lr", "1e6"}, {"opt", "sgd"}}, 48);
  const TrainOutcome outcome = trained(spec);
  ASSERT_TRUE(outcome.diverged);
  EXPECT_EQ(outcome.diverged->code, ErrorCode::Internal);
  EXPECT_NE(outcome.diverged->message.find("step "), std::string::npos);
  EXPECT_NE(outcome.diverged->hint.find("--lr"), std::string::npos);
  EXPECT_EQ(outcome.model == nullptr, outcome.best_epoch == 0);
}

TEST(Trainer, AHeadOnFeaturesLearnsThemInFewEpochsAtItsOwnRate) {
  const TrainOutcome outcome = trained(texture_training(
      {{"trainable", "head"}, {"lr", "auto"}, {"cache", "features"}, {"epochs", "auto"}, {"eval-metric", "loss"}}));
  EXPECT_EQ(outcome.epochs, 60u);
  EXPECT_GT(outcome.scores.top1, 0.75);  // of what random layers make of the pictures
  EXPECT_LT(outcome.history.back().train_loss, 0.3 * outcome.history[1].train_loss);
}

TEST(Trainer, AmongEquallyGoodEpochsTheLowestLossIsTheBest) {
  const TrainOutcome outcome =
      trained(texture_training({{"trainable", "head"}, {"cache", "features"}, {"epochs", "30"}}));
  const ClassificationScores& best = outcome.scores;
  for (const EpochReport& report : outcome.history)
    if (report.epoch > 0 && report.validation->top1 == best.top1) {
      EXPECT_GE(report.validation->loss, best.loss) << report.epoch;
    }
}

TEST(Trainer, StopsEarlyWithoutGainAndCleanlyAtTheTimeLimit) {
  // At such a rate nothing is learned, and the metric stays.
  const TrainOutcome early = trained(
      texture_training({{"epochs", "9"}, {"lr", "1e-9"}, {"norm", "frozen"}, {"early-stop-patience", "2"}}, 24));
  EXPECT_EQ(early.stopped, Stopped::Early);
  EXPECT_EQ(early.epochs, 3u);
  const TrainOutcome timed = trained(texture_training({{"epochs", "100000"}, {"max-time", "0.5"}}, 24));
  EXPECT_EQ(timed.stopped, Stopped::Time);
  EXPECT_LT(timed.seconds, 30);
}

bool has_bf16_arithmetic() { return __builtin_cpu_supports("avx512bf16"); }

TEST(Trainer, InBf16ItLearnsWhatItLearnsInFp32AndWritesFp32) {
  if (!has_bf16_arithmetic()) GTEST_SKIP() << "not tested: bf16 training; this processor has no avx512_bf16";
  const testing::Settings settings = {{"epochs", "4"}, {"hflip", "0"}};
  TrainSpec spec = texture_training(settings);
  const TrainOutcome plain = trained(spec);
  spec.recipe.precision = TrainPrecision::Bf16;
  const TrainOutcome half = trained(spec);
  ASSERT_TRUE(plain.model && half.model);
  EXPECT_FALSE(different_tensors(*plain.model, *half.model).empty());
  EXPECT_GT(half.scores.top1, 0.9);
  EXPECT_NEAR(half.history[1].train_loss, plain.history[1].train_loss, 0.1 * plain.history[1].train_loss);
  // bfloat16 has 8 bits: what was rounded to it would show in the last 16 bits of each float.
  size_t whole = 0;
  for (const auto& [name, tensor] : *half.model->weights().value())
    whole += std::ranges::any_of(tensor.values, [](float v) { return (std::bit_cast<uint32_t>(v) & 0xffff) != 0; });
  EXPECT_EQ(whole, half.model->weights().value()->size());
}

// Emulated on most processors: two epochs of three steps, some of which overflow and are left out.
TEST(Trainer, InFp16ItLearnsWithAScaledLoss) {
  const testing::Settings settings = {{"epochs", "2"}, {"hflip", "0"}, {"lr", "0.05"}};
  TrainSpec spec = texture_training(settings, 48);
  const TrainOutcome plain = trained(spec);
  spec.recipe.precision = TrainPrecision::Fp16;
  const TrainOutcome half = trained(spec);
  ASSERT_TRUE(plain.model && half.model);
  EXPECT_FALSE(different_tensors(*plain.model, *half.model).empty());
  EXPECT_LT(half.history[2].train_loss, half.history[1].train_loss);
}

TEST(Trainer, OddDataIsHandledAndSaid) {
  TrainSpec spec = texture_training({{"epochs", "1"}, {"batch-size", "4"}}, 5);  // the last batch holds one picture
  spec.train = testing::texture_dataset(5, 1, 32, {"a", "b", "c", "d", "e", "f"});
  spec.validation = testing::texture_dataset(6, 2, 32, {"a", "b", "c", "d", "e", "f"});
  spec.card.labels = spec.train->classes();
  std::string notes;
  TrainObserver observer;
  observer.note = [&](const std::string& sentence) { notes += sentence + "; "; };
  const TrainOutcome outcome = trained(spec, observer);
  ASSERT_TRUE(outcome.model);
  EXPECT_EQ(outcome.history[0].epoch, 1u) << "the base cannot judge classes that it does not know";
  for (const char* said : {"no training picture of: d, e, f", "a single training picture of: c",
                           "6 classes, but only 5", "3 of 6 classes are known"})
    EXPECT_NE(notes.find(said), std::string::npos) << notes;
}

TEST(Trainer, AdaptNormTakesStatisticsAnewAndNeedsNoEpochs) {
  const TrainSpec spec = texture_training({{"adapt-norm", "48"}, {"epochs", "0"}}, 48);
  const TrainOutcome outcome = trained(spec);
  ASSERT_TRUE(outcome.model);
  const std::vector<std::string> different = different_tensors(*spec.base, *outcome.model);
  ASSERT_FALSE(different.empty());
  for (const std::string& name : different) EXPECT_NE(name.find(".running_"), std::string::npos) << name;
}

TEST(Trainer, APersonsMistakesAreNamed) {
  TrainSpec spec = texture_training({}, 12);
  spec.recipe.lr = 0;  // all layers learn: nothing else could give them a rate
  EXPECT_EQ(train(spec, {}, {}).error().code, ErrorCode::InvalidArgument);
  spec = texture_training({}, 12);
  spec.validation = testing::texture_dataset(6, 1, 32, {"a", "b", "x"});
  EXPECT_EQ(train(spec, {}, {}).error().code, ErrorCode::Incompatible);
  spec = texture_training({}, 12);
  spec.card.architecture = "resnet32";
  EXPECT_NE(train(spec, {}, {}).error().message.find("resnet20, resnet32"), std::string::npos);
}

TEST(Trainer, PausesOnItsOwnThreadAfterTheStemAndEveryBlockForwardAndBackward) {
  TrainSpec spec = texture_training({{"epochs", "1"}, {"batch-size", "96"}});
  size_t pauses = 0;
  bool elsewhere = false;
  const std::thread::id here = std::this_thread::get_id();
  spec.pause_point = [&] {
    ++pauses;
    elsewhere |= std::this_thread::get_id() != here;
  };
  trained(spec);
  // The batch; stem and 9 blocks there and back; the same there for the base, and for the epoch, whose batch counts
  // too.
  EXPECT_EQ(pauses, 1u + 20u + 10u + 11u);
  EXPECT_FALSE(elsewhere);
}

// Stops at the n-th pause point of the second step.
TEST(Trainer, AStepThatIsStoppedAnywhereLeavesTheCheckpointOfTheStepBefore) {
  const auto stopped_at = [](size_t pause, const std::string& folder) {
    TrainSpec spec = texture_training({{"epochs", "1"}, {"batch-size", "48"}});
    spec.checkpoint_folder = folder;
    std::stop_source source;
    size_t steps = 0, pauses = 0;
    TrainObserver observer;
    observer.step = [&](double, double) { ++steps; };
    spec.pause_point = [&] {
      if (steps == 1 && ++pauses == pause) source.request_stop();
    };
    const Result<TrainOutcome> outcome = train(spec, observer, source.get_token());
    ASSERT_TRUE(outcome.ok()) << to_string(outcome.error());
    EXPECT_EQ(outcome->stopped, Stopped::Signal);
    EXPECT_EQ(steps, 1u);
  };
  std::vector<std::vector<std::byte>> bytes;
  for (const size_t pause : {1u, 6u, 11u, 15u, 21u}) {  // before the step, forward, backward, its last
    const testing::TemporaryFolder folder;
    stopped_at(pause, folder.file(""));
    const Result<Checkpoint> checkpoint = read_checkpoint(latest_checkpoint(folder.file("")).value());
    ASSERT_TRUE(checkpoint.ok());
    std::vector<std::byte> all;
    for (const Tensor& tensor : checkpoint->tensors.tensors)
      all.insert(all.end(), tensor.bytes.begin(), tensor.bytes.end());
    bytes.push_back(std::move(all));
  }
  for (const std::vector<std::byte>& each : bytes) EXPECT_TRUE(each == bytes.front());
}

TEST(Trainer, AHeadLearnsFromGivenFeaturesWithoutReadingAPicture) {
  TrainSpec spec =
      texture_training({{"trainable", "head"}, {"cache", "features"}, {"epochs", "30"}, {"lr", "0.5"}}, 30);
  std::vector<std::vector<float>> rows;
  const auto features = [&](const Dataset& data) {
    for (size_t i = 0; i < data.size(); ++i) {
      rows.emplace_back(64, 0.1f);
      rows.back()[data.class_id(i)] = 1;
    }
  };
  features(*spec.train);
  features(*spec.validation);
  for (size_t i = 0; i < rows.size(); ++i)
    (i < spec.train->size() ? spec.train_features : spec.validation_features).emplace_back(rows[i]);
  EXPECT_EQ(trained(spec).scores.top1, 1.0);
  spec.train_features.pop_back();
  EXPECT_EQ(train(spec, {}, {}).error().code, ErrorCode::InvalidArgument);
}

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// What a learner's run takes beside a stream: processor time, which other programs do not change.
TEST(Trainer, AHeadLearnsFiveHundredSamplesOfAResNet18InLessThanTwoSeconds) {
  ModelCard card;
  card.architecture = "resnet18";
  card.num_classes = 3;
  card.labels = {"a", "b", "c"};
  TrainSpec spec = texture_training({{"trainable", "head"}, {"cache", "features"}, {"epochs", "10"}}, 500);
  spec.base = Model::create(card, testing::random_weights("resnet18", 3, 1)).value();
  spec.card = card;
  std::vector<std::vector<float>> rows(512);
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].assign(512, 0.01f * static_cast<float>(i % 7));
    (i < 500 ? spec.train_features : spec.validation_features).emplace_back(rows[i]);
  }
  const double before = processor_seconds();
  EXPECT_EQ(trained(spec).epochs, 10u);
  const double took = processor_seconds() - before;
  std::printf("a head, 500 samples of 512 features, 10 epochs: %.3f s\n", took);
  EXPECT_LT(took, 2.0);
}

}  // namespace
}  // namespace resnetft
