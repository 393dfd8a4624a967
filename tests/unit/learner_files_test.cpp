// SPDX-License-Identifier: MIT
// What a learner leaves and goes on from: generations, stores, seed datasets.
#include <gtest/gtest.h>

#include <filesystem>

#include "data/image_file.h"
#include "live/generation_files.h"
#include "live/linear_head.h"
#include "tests/support/learner.h"

namespace resnetft {
namespace {

using testing::accuracy_on;
using testing::Events;
using testing::learner_spec;
using testing::SceneStream;
using testing::shown;
using testing::started;
using testing::TemporaryFolder;

LearnerSpec spec_with_files(const TemporaryFolder& folder) {
  LearnerSpec spec = learner_spec(folder);
  spec.checkpoint_dir = folder.file("generations");
  spec.rules.instant_head = InstantHeadKind::Off;
  return spec;
}

void teach(Learner& learner, SceneStream& stream, size_t blocks = 24) {
  stream.play(learner, blocks);
  learner.train_now();
  learner.run_pending();
}

TEST(LearnerFiles, AGenerationSaysWhereItComesFrom) {
  const TemporaryFolder folder;
  Events events;
  const LearnerSpec spec = spec_with_files(folder);
  const auto learner = started(spec, events);
  const std::string base = shown(*spec.hub)->sha256();
  SceneStream stream;
  teach(*learner, stream);
  ASSERT_EQ(events.of<CheckpointWritten>().size(), 1u);
  const std::string path = events.of<CheckpointWritten>()[0].path;
  EXPECT_EQ(path, spec.checkpoint_dir + "/generation-1.safetensors");
  const auto model = load_model(path).value();
  EXPECT_EQ(model->sha256(), shown(*spec.hub)->sha256());
  const Ancestry ancestry = ancestry_of(model->card());
  EXPECT_EQ(ancestry.parent_sha256, base);
  EXPECT_EQ(ancestry.candidate, "head");
  EXPECT_EQ(ancestry.manifest.size(), 64u);
  for (const char* field : {"\"recipe\"", "\"metrics\"", "\"seed\""})
    EXPECT_NE(model->card().provenance_json.find(field), std::string::npos) << field;
}

TEST(LearnerFiles, TheNextStartGoesOnFromTheNewestGoodGeneration) {
  const TemporaryFolder folder;
  std::string taught;
  {
    Events events;
    const LearnerSpec spec = spec_with_files(folder);
    const auto learner = started(spec, events);
    SceneStream stream;
    teach(*learner, stream);
    taught = shown(*spec.hub)->sha256();
  }
  const std::string damaged = folder.file("generations/generation-2.safetensors");
  testing::write_text(damaged, "cut short");
  Events events;
  const LearnerSpec spec = spec_with_files(folder);
  const auto learner = started(spec, events);
  EXPECT_EQ(shown(*spec.hub)->sha256(), taught);
  EXPECT_EQ(testing::read_text(damaged), "cut short");
  SceneStream stream(3, 5);
  teach(*learner, stream, 48);
  for (const CheckpointWritten& written : events.of<CheckpointWritten>())
    EXPECT_EQ(written.path, folder.file("generations/generation-3.safetensors"));
}

TEST(LearnerFiles, AnotherBaseThatIsLeftForTheGenerationsIsNamedAndTheSameOneIsNot) {
  const TemporaryFolder folder;
  LearnerSpec spec = spec_with_files(folder);
  spec.rules.instant_head = InstantHeadKind::Lda;
  {
    Events events;
    const auto learner = started(spec, events);
    SceneStream stream;
    teach(*learner, stream);
  }
  Events events;
  spec.hub = ModelHub::acquire("");
  EXPECT_TRUE(started(spec, events)->start_warnings().empty());
  spec.hub = ModelHub::acquire("");
  spec.base_model_file = folder.file("other.safetensors");
  ASSERT_TRUE(save_model(*testing::centred_model(8, {"x", "y"}), spec.base_model_file).ok());
  const auto learner = started(spec, events);
  ASSERT_EQ(learner->start_warnings().size(), 1u);
  const std::string warning = learner->start_warnings()[0].message;
  EXPECT_NE(warning.find(spec.base_model_file), std::string::npos) << warning;
  EXPECT_NE(warning.find(shown(*spec.hub)->path()), std::string::npos) << warning;
  EXPECT_NE(shown(*spec.hub)->path().find("generation-"), std::string::npos);
}

TEST(LearnerFiles, WhatWasRolledBackDoesNotComeBackAtTheNextStart) {
  const TemporaryFolder folder;
  std::string base;
  {
    Events events;
    const LearnerSpec spec = spec_with_files(folder);
    const auto learner = started(spec, events);
    base = shown(*spec.hub)->sha256();
    SceneStream stream;
    teach(*learner, stream);
    learner->rollback();
    learner->run_pending();
    ASSERT_EQ(events.of<RolledBack>().size(), 1u);
  }
  Events events;
  const LearnerSpec spec = spec_with_files(folder);
  const auto learner = started(spec, events);
  EXPECT_EQ(shown(*spec.hub)->sha256(), base);
}

TEST(LearnerFiles, AnEarlierInstantHeadThatIsShownAgainComesBackAtTheNextStart) {
  const TemporaryFolder folder;
  LearnerSpec spec = spec_with_files(folder);
  spec.rules.instant_head = InstantHeadKind::Lda;
  spec.rules.gate.min_samples = 1000;
  std::string earlier;
  {
    Events events;
    const auto learner = started(spec, events);
    SceneStream stream;
    stream.play(*learner, 6);
    const auto promoted = events.of<Promoted>();
    ASSERT_GT(promoted.size(), 1u);
    earlier = promoted[promoted.size() - 2].sha256;
    learner->rollback();
    learner->run_pending();
    ASSERT_EQ(shown(*spec.hub)->sha256(), earlier);
    EXPECT_EQ(events.of<CheckpointWritten>().back().generation, spec.hub->current().generation);
  }
  Events events;
  spec.hub = ModelHub::acquire("");
  const auto learner = started(spec, events);
  EXPECT_EQ(shown(*spec.hub)->sha256(), earlier);
}

TEST(LearnerFiles, InstantHeadsLeaveOnlyTheirLastFile) {
  const TemporaryFolder folder;
  Events events;
  LearnerSpec spec = spec_with_files(folder);
  spec.rules.instant_head = InstantHeadKind::Lda;
  spec.rules.gate.min_samples = 1000;
  const auto learner = started(spec, events);
  const std::string base = shown(*spec.hub)->sha256();
  SceneStream stream;
  stream.play(*learner, 6);
  EXPECT_GT(events.of<Promoted>().size(), 3u);
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(spec.checkpoint_dir)) ++files;
  EXPECT_EQ(files, 1u);
  EXPECT_EQ(ancestry_of(shown(*spec.hub)->card()).parent_sha256, base);
}

TEST(LearnerFiles, WhatIsMadeFromAnInstantHeadNamesTheParentOfThatHead) {
  const auto base = testing::centred_model(7, {"x", "y"});
  const LinearHead head = head_of(*base).value();
  const auto made = [&](const char* candidate) {
    Origin origin;
    origin.parent_sha256 = "trunk";
    origin.candidate = candidate;
    return with_head(*base, head, 1, origin_to_json(origin)).value();
  };
  const auto trained = made("head");
  EXPECT_EQ(parent_for_next(*base), base->sha256());
  EXPECT_EQ(parent_for_next(*trained), trained->sha256());
  EXPECT_EQ(parent_for_next(*made(kInstantHead)), "trunk");
}

TEST(LearnerFiles, SavesWhatIsShown) {
  const TemporaryFolder folder;
  Events events;
  const LearnerSpec spec = learner_spec(folder);
  const auto learner = started(spec, events);
  const std::string path = folder.file("saved.safetensors");
  ASSERT_TRUE(learner->save(path).ok());
  EXPECT_EQ(load_model(path).value()->card().labels, shown(*spec.hub)->card().labels);
}

TEST(LearnerFiles, AStoreThatIsResumedTrainsToTheBitsOfTheRunThatFilledIt) {
  const TemporaryFolder folder;
  LearnerSpec spec = learner_spec(folder);
  spec.rules.instant_head = InstantHeadKind::Off;
  spec.store.location = folder.file("store");
  std::string taught;
  {
    Events events;
    const auto learner = started(spec, events);
    SceneStream stream;
    teach(*learner, stream);
    taught = shown(*spec.hub)->sha256();
    ASSERT_EQ(events.of<Promoted>().size(), 1u);
  }
  Events events;
  spec.hub = ModelHub::acquire("");
  const auto learner = started(spec, events);
  EXPECT_GT(learner->next_epoch(), 1u);
  learner->train_now();
  learner->run_pending();
  EXPECT_EQ(shown(*spec.hub)->sha256(), taught);
}

TEST(LearnerFiles, MoreThanTheHeadIsNotTrainedWithoutThePicturesAndBothPropertiesAreNamed) {
  const TemporaryFolder folder;
  LearnerSpec spec = learner_spec(folder);
  spec.store.location = folder.file("store");
  {
    Events events;
    const auto learner = started(spec, events);
    SceneStream stream;
    stream.play(*learner, 9);
  }
  Events events;
  spec.hub = ModelHub::acquire("");
  spec.rules.trainable = Trainable::Layer4;
  const auto learner = started(spec, events);
  learner->train_now();
  learner->run_pending();
  ASSERT_EQ(events.of<NotTrained>().size(), 1u);
  const std::string reason = events.of<NotTrained>()[0].reason;
  EXPECT_NE(reason.find("trainable=layer4"), std::string::npos) << reason;
  EXPECT_NE(reason.find("store-frames=false"), std::string::npos) << reason;
}

TEST(LearnerFiles, FeaturesOfAnotherTrunkAreMadeAnewOrLeftOutAndNeverMixed) {
  const TemporaryFolder folder;
  LearnerSpec spec = learner_spec(folder);
  spec.store.location = folder.file("store");
  size_t stored = 0;
  {
    Events events;
    const auto learner = started(spec, events);
    SceneStream stream;
    stream.play(*learner, 9);
    stored = learner->status().store.train + learner->status().store.holdout;
  }
  spec.hub = ModelHub::acquire("");
  spec.base_model_file = folder.file("other.safetensors");
  ASSERT_TRUE(save_model(*testing::centred_model(8, {"x", "y"}), spec.base_model_file).ok());
  Events events;
  const auto learner = started(spec, events);
  learner->run_pending();
  EXPECT_EQ(learner->status().features_unusable, stored);
  SceneStream stream(3, 4, learner->next_epoch());
  stream.play(*learner, 9);
  learner->train_now();
  learner->run_pending();
  ASSERT_EQ(events.of<TrainStarted>().size(), 1u);
  const StoreCounts counts = learner->status().store;
  EXPECT_LE(events.of<TrainStarted>()[0].train_samples + events.of<TrainStarted>()[0].holdout_samples,
            counts.train + counts.holdout - stored);
}

TEST(LearnerFiles, AllLayersLearnFromThePicturesAndTheFeaturesFollow) {
  const TemporaryFolder folder;
  Events events;
  LearnerSpec spec = learner_spec(folder);
  spec.rules.instant_head = InstantHeadKind::Off;
  spec.rules.trainable = Trainable::All;
  spec.rules.recipe.lr = 0.02;
  spec.rules.recipe.epochs = 6;
  spec.rules.recipe.batch_size = 8;
  const auto learner = started(spec, events);
  SceneStream stream;
  teach(*learner, stream);
  ASSERT_EQ(events.of<Promoted>().size(), 1u) << events.of<Gated>().back().outcome.reason;
  EXPECT_EQ(events.of<Promoted>()[0].candidate, "all");
  EXPECT_GT(accuracy_on(*spec.hub), 0.8);
  EXPECT_EQ(learner->status().features_unusable, 0u);
  LearnerRules rules = spec.rules;
  rules.trainable = Trainable::Head;
  rules.gate.metric = GateMetric::Loss;
  learner->set_rules(rules);
  learner->train_now();
  learner->run_pending();
  ASSERT_EQ(events.of<TrainStarted>().size(), 2u);
  EXPECT_EQ(events.of<TrainStarted>()[1].train_samples, events.of<TrainStarted>()[0].train_samples);
}

// Scenes as files: FOLDER/CLASS/N.jpg.
void write_seed(const std::string& folder, size_t pictures, const std::vector<std::string>& classes) {
  const DatasetPtr data = testing::scene_dataset(pictures, 77, {"0", "1", "2"});
  for (size_t i = 0; i < pictures; ++i) {
    const std::string path = folder + "/" + classes[data->class_id(i)];
    std::filesystem::create_directories(path);
    const ImageView view = data->get(i)->view;
    const std::string jpeg = encode_jpeg({view.planes[0], 32 * 32 * 3}, 32, 32, 95).value();
    testing::write_text(path + "/" + std::to_string(i) + ".jpg", jpeg);
  }
}

TEST(LearnerFiles, ExtendNeedsSamplesOfEveryClassOfTheBaseAndNamesThem) {
  const TemporaryFolder folder;
  Events events;
  LearnerSpec spec = learner_spec(folder, {"x", "y"});
  spec.classes = ClassSet::Extend;
  const auto learner = started(spec, events);
  SceneStream stream(1);
  teach(*learner, stream, 3);
  ASSERT_EQ(events.of<NotTrained>().size(), 1u);
  const std::string reason = events.of<NotTrained>()[0].reason;
  for (const char* part : {"classes=extend", "seed-dataset", "'x', 'y'"})
    EXPECT_NE(reason.find(part), std::string::npos) << reason;
  // Usable at once all the same: the base's rows and a class mean.
  EXPECT_EQ(shown(*spec.hub)->card().labels, (std::vector<std::string>{"x", "y", "a"}));
}

TEST(LearnerFiles, ExtendRehearsesTheBasesClassesFromTheSeedDatasetAndJudgesThemToo) {
  const TemporaryFolder folder;
  Events events;
  LearnerSpec spec = learner_spec(folder, {"x", "y"});
  spec.classes = ClassSet::Extend;
  spec.seed_dataset = folder.file("seed");
  spec.rules.instant_head = InstantHeadKind::Off;
  write_seed(spec.seed_dataset, 90, {"unused", "x", "y"});
  const auto learner = started(spec, events);
  SceneStream stream(1);
  teach(*learner, stream, 12);
  ASSERT_EQ(events.of<TrainStarted>().size(), 1u) << events.of<NotTrained>().at(0).reason;
  EXPECT_EQ(events.of<TrainStarted>()[0].classes, (std::vector<std::string>{"x", "y", "a"}));
  ASSERT_EQ(events.of<Gated>().size(), 1u);
  EXPECT_EQ(events.of<Gated>()[0].outcome.rehearsal_samples, 12u);  // a fifth of 30 of each
  const DatasetPtr pictures = testing::scene_dataset(90, 99, {"a", "x", "y"});
  if (events.of<Gated>()[0].outcome.verdict == GateVerdict::Promoted)
    EXPECT_GT(accuracy_on(*spec.hub, pictures), 0.6);  // by chance a third
  else
    ADD_FAILURE() << events.of<Gated>()[0].outcome.reason;
}

}  // namespace
}  // namespace resnetft
