// SPDX-License-Identifier: MIT
#include "live/replay_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <set>

#include "data/split.h"
#include "live/store_export.h"
#include "tests/support/samples.h"
#include "tests/support/temporary_folder.h"

namespace resnetft {
namespace {

using testing::equal_pictures;
using testing::equal_words;
using testing::feature_of;
using testing::kSecond_ns;
using testing::picture_of;
using testing::read_text;
using testing::sample_of;
using testing::TemporaryFolder;

using StorePtr = std::unique_ptr<ReplayStore>;

StorePtr open_store(const ReplayStoreSpec& spec, std::string* notes = nullptr) {
  Result<StorePtr> store = ReplayStore::open(spec, [notes](LogLevel, const std::string& note) {
    if (notes) notes->append(note).append("\n");
  });
  EXPECT_TRUE(store.ok()) << to_string(store.error());
  return std::move(*store);
}

SampleFate add(ReplayStore& store, Sample sample, bool reject_duplicates = false) {
  return store.add(std::move(sample), reject_duplicates)->fate;
}

uint64_t bytes_of(const ReplayStore& store) {
  uint64_t bytes = 0;
  for (const auto& sample : store.samples()) bytes += sample_bytes(*sample);
  return bytes;
}

// All but pictures, in words that a failing test can show.
std::string described(const ReplayStore& store) {
  std::string text;
  for (const auto& sample : store.samples())
    text += std::to_string(sample->id) + ":" + sample->label + (sample->side == HoldoutSide::Train ? " " : "* ");
  const StoreCounts counts = store.counts();
  for (const uint64_t count : {uint64_t{counts.train}, uint64_t{counts.holdout}, counts.bytes, counts.offered,
                               counts.evicted, counts.left_out, counts.duplicates, counts.no_room, store.next_epoch()})
    text += "| " + std::to_string(count);
  for (const std::string& label : store.labels()) text += " " + label;
  return text;
}

void expect_equal(const ReplayStore& a, const ReplayStore& b, bool with_pictures) {
  EXPECT_EQ(described(a), described(b));
  const auto left = a.samples(), right = b.samples();
  ASSERT_EQ(left.size(), right.size());
  for (size_t i = 0; i < left.size(); ++i) {
    EXPECT_TRUE(equal_words(*left[i], *right[i])) << left[i]->id;
    EXPECT_TRUE(!with_pictures || equal_pictures(left[i]->picture, right[i]->picture)) << left[i]->id;
  }
}

TEST(ReplayStore, FillsByCountAndItsCountersAreExact) {
  const StorePtr store = open_store({.reservoir = {.capacity = 50}, .holdout = {.fraction = 0.3}});
  for (uint64_t i = 0; i < 400; ++i) {
    add(*store, sample_of(i, i % 10 < 7 ? "many" : "few", picture_of(i, 4, 3)));
    const StoreCounts counts = store->counts();
    EXPECT_LE(store->samples().size(), 50u);
    EXPECT_EQ(counts.train + counts.holdout, store->samples().size());
    EXPECT_EQ(counts.bytes, bytes_of(*store));
    EXPECT_EQ(counts.offered, i + 1);
    EXPECT_EQ(counts.offered, store->samples().size() + counts.evicted + counts.no_room + counts.left_out);
  }
  const StoreCounts counts = store->counts();
  EXPECT_EQ(store->samples().size(), 50u);
  EXPECT_GT(counts.holdout, 0u);
  size_t few = 0;
  for (const auto& sample : store->samples()) few += sample->label == "few";
  EXPECT_EQ(few, 25u);
  EXPECT_EQ(counts.train_per_class.at("few") +
                (counts.holdout_per_class.contains("few") ? counts.holdout_per_class.at("few") : 0),
            25u);
}

TEST(ReplayStore, FillsByBytesAndItsCountersAreExact) {
  constexpr uint64_t kMost = 20'000;
  const StorePtr store = open_store({.reservoir = {.max_bytes = kMost}});
  for (uint64_t i = 0; i < 300; ++i) {
    const int width = static_cast<int>(5 + i % 11);
    add(*store, sample_of(i, i % 2 == 0 ? "a" : "bb", picture_of(i, width, 9)));
    EXPECT_EQ(store->counts().bytes, bytes_of(*store));
    EXPECT_LE(store->counts().bytes, kMost);
  }
  EXPECT_GT(store->counts().bytes, kMost - 3 * 15 * 9 - 66);  // less than a sample more would fit
  EXPECT_GT(store->counts().evicted, 0u);
}

TEST(ReplayStore, GivesWhatWasPutInWithIdSideAndBlock) {
  const StorePtr store = open_store({});
  const Sample given = sample_of(4, "cat", picture_of(4, 6, 5));
  const ReplayStore::Added added = *store->add(given, false);
  EXPECT_EQ(added.fate, SampleFate::Stored);
  EXPECT_EQ(added.sample->id, 1u);
  EXPECT_EQ(added.sample->side, HoldoutSide::Train);
  EXPECT_EQ(added.sample->block, 1u);
  EXPECT_TRUE(equal_pictures(added.sample->picture, given.picture));
  EXPECT_NE(added.sample->picture, given.picture);  // a copy: the ring gets its slot back
  EXPECT_EQ(store->find(given.key), added.sample);
  EXPECT_EQ(store->find({}), nullptr);
  EXPECT_EQ(store->next_epoch(), 2u);
}

TEST(ReplayStore, RefusesASampleWithoutALabelAndOneWhosePixelsAreNotOfItsSize) {
  const StorePtr store = open_store({});
  EXPECT_EQ(store->add(sample_of(1, ""), false).error().code, ErrorCode::InvalidArgument);
  const auto torn = std::make_shared<SmallPicture>(SmallPicture{4, 4, {1, 2, 3}});
  EXPECT_EQ(store->add(sample_of(1, "a", torn), false).error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(store->counts().offered, 0u);
}

TEST(ReplayStore, NearDuplicatesAreRejectedWhereAsked) {
  const StorePtr store = open_store({});
  Sample first = sample_of(1, "a"), near = sample_of(2, "a"), other = sample_of(3, "a");
  near.feature = first.feature;
  near.feature[0] += 0.01f;
  ASSERT_LT(feature_distance(first.feature, near.feature), kDuplicateDistance);
  ASSERT_GT(feature_distance(first.feature, other.feature), kDuplicateDistance);
  EXPECT_EQ(add(*store, first, true), SampleFate::Stored);
  EXPECT_EQ(add(*store, near, true), SampleFate::Duplicate);
  EXPECT_EQ(add(*store, other, true), SampleFate::Stored);
  EXPECT_EQ(store->counts().duplicates, 1u);
  EXPECT_EQ(add(*store, near, false), SampleFate::Stored);
}

TEST(ReplayStore, FeaturesOfTwoOriginsAreNotComparedButEqualPicturesAre) {
  const StorePtr store = open_store({});
  Sample first = sample_of(1, "a", picture_of(1, 4, 4)), second = sample_of(2, "a", picture_of(2, 4, 4));
  second.feature = first.feature;
  second.feature_origin = "another trunk";
  add(*store, first);
  EXPECT_EQ(add(*store, second, true), SampleFate::Stored);
  Sample third = sample_of(3, "a", picture_of(1, 4, 4));
  third.feature.clear();
  EXPECT_EQ(add(*store, third, true), SampleFate::Duplicate);
}

// fraction 1 holds out all of a class but its first 4 s.
TEST(ReplayStore, AHeldOutSampleNearATrainingSampleIsAlwaysRefusedAndTheOtherWayRound) {
  const StorePtr store = open_store({.holdout = {.fraction = 1}});
  for (uint64_t i = 0; i < 8; ++i) ASSERT_EQ(add(*store, sample_of(i, "a")), SampleFate::Stored);
  Sample held = sample_of(12, "a");
  held.feature = feature_of(3);
  EXPECT_EQ(add(*store, held), SampleFate::Duplicate);
  const Sample clean = sample_of(13, "a");
  ASSERT_EQ(store->add(clean, false)->sample->side, HoldoutSide::Holdout);
  Sample train = sample_of(30, "b");  // the first of its class
  train.feature = clean.feature;
  EXPECT_EQ(add(*store, train), SampleFate::Duplicate);
  EXPECT_EQ(store->counts().duplicates, 2u);
  EXPECT_EQ(store->counts().holdout, 1u);
}

TEST(ReplayStore, NoHeldOutSampleLiesWithinTheGapOfATrainingSample) {
  const StorePtr store = open_store({.reservoir = {.capacity = 100'000}, .holdout = {.fraction = 0.4, .seed = 8}});
  std::mt19937_64 random(5);
  for (int i = 0; i < 1500; ++i) {
    Sample sample = sample_of(random() % 1'000'000, std::string(1, "abc"[random() % 3]));
    sample.place = {random() % 2 == 0 ? "one" : "two", random() % (400 * kSecond_ns)};
    sample.key.running_time_ns = random();
    add(*store, std::move(sample));
  }
  const auto samples = store->samples();
  const StoreCounts counts = store->counts();
  ASSERT_GT(counts.train, 50u);
  ASSERT_GT(counts.holdout, 50u);
  ASSERT_GT(counts.left_out, 50u);
  for (const auto& held : samples)
    for (const auto& train : samples) {
      if (held->side != HoldoutSide::Holdout || train->side != HoldoutSide::Train) continue;
      if (held->place.timeline != train->place.timeline) continue;
      const uint64_t a = held->place.time_ns, b = train->place.time_ns;
      EXPECT_GE(std::max(a, b) - std::min(a, b), kSecond_ns);
    }
}

// A recording that is played again has the same places. A live source that shows the same has new ones: other blocks
// are held out, and only the pictures' features tell.
TEST(ReplayStore, AClipLoopedThreeTimesHasNoHeldOutPictureEqualToATrainingPicture) {
  for (const bool live : {false, true})
    for (const bool with_features : {true, false}) {
      const StorePtr store = open_store({.holdout = {.fraction = 0.4, .seed = 2}});
      for (uint64_t loop = 0; loop < 3; ++loop)
        for (uint64_t i = 0; i < 80; ++i) {
          Sample sample = sample_of(i, i / 20 % 2 == 0 ? "a" : "b", picture_of(i, 8, 8));
          sample.key.epoch = loop;
          if (live) sample.place = {"camera", (loop * 80 + i) * kSecond_ns / 2};
          if (!with_features) sample.feature.clear();
          add(*store, std::move(sample));
        }
      const auto pixels = [](const Sample& sample) {
        return std::string(sample.picture->rgb.begin(), sample.picture->rgb.end());
      };
      std::set<std::string> train;
      size_t held = 0;
      for (const auto& sample : store->samples())
        if (sample->side == HoldoutSide::Train) train.insert(pixels(*sample));
      for (const auto& sample : store->samples()) {
        if (sample->side != HoldoutSide::Holdout) continue;
        ++held;
        EXPECT_FALSE(train.contains(pixels(*sample)));
      }
      EXPECT_GT(train.size(), 20u);
      EXPECT_GT(held, 5u);
      EXPECT_EQ(store->counts().duplicates > 0, live);
    }
}

TEST(ReplayStore, ALabelAtLeastAsStrongReplacesTheEarlierOneOfThePicture) {
  const StorePtr store = open_store({});
  Sample sample = sample_of(1, "a");
  add(*store, sample);
  sample.label = "weaker";
  sample.source = LabelSource::Property;
  EXPECT_EQ(add(*store, sample), SampleFate::Kept);
  EXPECT_EQ(store->find(sample.key)->label, "a");
  sample.label = "a longer name";
  sample.source = LabelSource::Range;
  const ReplayStore::Added added = *store->add(sample, true);
  EXPECT_EQ(added.fate, SampleFate::Relabelled);
  EXPECT_EQ(added.sample, store->find(sample.key));
  EXPECT_EQ(added.sample->label, "a longer name");
  EXPECT_EQ(added.sample->id, 1u);
  EXPECT_EQ(add(*store, sample), SampleFate::Kept);  // nothing new
  EXPECT_EQ(store->samples().size(), 1u);
  EXPECT_EQ(store->counts().bytes, bytes_of(*store));
  EXPECT_EQ(store->labels(), (std::vector<std::string>{"a", "a longer name"}));
}

TEST(ReplayStore, RelabellingAndNewFeaturesStayWithinTheBytes) {
  const StorePtr store = open_store({.reservoir = {.max_bytes = 1000}});
  for (uint64_t i = 0; i < 15; ++i) add(*store, sample_of(i, "a"));  // of 65 bytes
  ASSERT_EQ(store->samples().size(), 15u);
  Sample sample = sample_of(3, std::string(200, 'x'));
  sample.source = LabelSource::Answer;
  EXPECT_EQ(add(*store, sample), SampleFate::Relabelled);
  EXPECT_EQ(store->counts().bytes, bytes_of(*store));
  EXPECT_LE(store->counts().bytes, 1000u);
  const auto samples = store->samples();
  ASSERT_TRUE(store->set_feature(samples.back()->id, "trunk 2", feature_of(1, 100)).ok());
  EXPECT_EQ(store->counts().bytes, bytes_of(*store));
  EXPECT_LE(store->counts().bytes, 1000u);
  EXPECT_LT(store->samples().size(), samples.size());
  EXPECT_TRUE(store->set_feature(999, "trunk 2", {1}).ok());
}

TEST(ReplayStore, FramesAndFeaturesComeBackBitEqual) {
  const TemporaryFolder folder;
  const ReplayStoreSpec spec{.location = folder.file("a/b"), .store_frames = true, .holdout = {.fraction = 0.5}};
  StorePtr store = open_store(spec);
  for (uint64_t i = 0; i < 60; ++i) add(*store, sample_of(i, i % 3 == 0 ? "a b\n\"" : "ü", picture_of(i, 10, 7)));
  const StorePtr same = open_store({.reservoir = spec.reservoir, .holdout = spec.holdout});
  for (uint64_t i = 0; i < 60; ++i) add(*same, sample_of(i, i % 3 == 0 ? "a b\n\"" : "ü", picture_of(i, 10, 7)));
  store.reset();
  std::string notes;
  store = open_store(spec, &notes);
  expect_equal(*store, *same, true);
  EXPECT_NE(notes.find("resumed"), std::string::npos) << notes;
}

TEST(ReplayStore, RelabellingAndNewFeaturesAreThereAfterARestart) {
  const TemporaryFolder folder;
  const ReplayStoreSpec spec{.location = folder.file("s"), .store_frames = true};
  StorePtr store = open_store(spec);
  for (uint64_t i = 0; i < 5; ++i) add(*store, sample_of(i, "a", picture_of(i, 3, 3)));
  Sample corrected = sample_of(2, "b");
  corrected.source = LabelSource::Range;
  add(*store, corrected);
  ASSERT_TRUE(store->set_feature(4, "trunk 2", {1, 2, 3}).ok());
  const auto before = store->samples();
  store.reset();
  store = open_store(spec);
  const auto after = store->samples();
  ASSERT_EQ(after.size(), 5u);
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_TRUE(equal_words(*before[i], *after[i]));
    EXPECT_TRUE(equal_pictures(before[i]->picture, after[i]->picture));
  }
  EXPECT_EQ(after[2]->label, "b");
  EXPECT_EQ(after[3]->feature_origin, "trunk 2");
}

// Restarted at random places it ends as the one that was never closed, through evictions, duplicates and corrections.
TEST(ReplayStore, ARestartedStoreMakesTheSameDecisions) {
  for (const bool by_bytes : {false, true}) {
    const TemporaryFolder folder;
    ReplayStoreSpec spec{.location = folder.file("s"), .store_frames = by_bytes, .holdout = {.fraction = 0.3}};
    if (by_bytes) spec.reservoir.max_bytes = 12'000;
    if (!by_bytes) spec.reservoir.capacity = 40;
    const StorePtr whole = open_store({.reservoir = spec.reservoir, .holdout = spec.holdout});
    StorePtr restarted = open_store(spec);
    std::mt19937_64 random(11);
    for (uint64_t i = 0; i < 600; ++i) {
      Sample sample = sample_of(i, std::string(1, "aaab"[random() % 4]), picture_of(i, 6, static_cast<int>(4 + i % 5)));
      if (random() % 10 == 0) sample.feature = feature_of(random() % (i + 1));
      if (random() % 8 == 0) {
        sample.key = sample_of(random() % (i + 1), "").key;
        sample.source = LabelSource::Range;
      }
      const bool reject = random() % 2 == 0;
      const SampleFate fate = add(*whole, sample, reject);
      ASSERT_EQ(add(*restarted, sample, reject), fate) << i;
      if (random() % 20 != 0) continue;
      restarted.reset();
      restarted = open_store(spec);
      ASSERT_EQ(described(*restarted), by_bytes ? described(*whole) : described(*restarted));
    }
    const StoreCounts counts = whole->counts();
    EXPECT_GT(counts.evicted, 50u);
    EXPECT_GT(counts.no_room, 20u);
    EXPECT_GT(counts.duplicates, 5u);
    EXPECT_GT(counts.left_out, 10u);
    EXPECT_EQ(restarted->samples().size(), whole->samples().size());
    const auto a = whole->samples(), b = restarted->samples();
    for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(equal_words(*a[i], *b[i])) << i;
  }
}

TEST(ReplayStore, ASmallerReservoirKeepsWhatFitsForGood) {
  const TemporaryFolder folder;
  ReplayStoreSpec spec{.location = folder.file("s"), .store_frames = false};
  StorePtr store = open_store(spec);
  for (uint64_t i = 0; i < 30; ++i) add(*store, sample_of(i, "a"));
  const size_t before = store->samples().size();
  store.reset();
  spec.reservoir.capacity = 10;
  std::string notes;
  const std::string few = described(*open_store(spec, &notes));
  EXPECT_NE(notes.find(std::to_string(before - 10) + " of " + std::to_string(before) + " samples"), std::string::npos)
      << notes;
  EXPECT_NE(notes.find("replay-capacity"), std::string::npos) << notes;
  spec.reservoir.capacity = 100;
  store = open_store(spec);
  EXPECT_EQ(store->samples().size(), 10u);
  EXPECT_EQ(described(*store), few);
}

// Each sample takes the place of another: the log must not grow for ever.
TEST(ReplayStore, TheLogIsReplacedByASnapshotWhenItHasGrownToTwiceOfIt) {
  const TemporaryFolder folder;
  const ReplayStoreSpec spec{.location = folder.file("s"),
                             .store_frames = true,
                             .reservoir = {.policy = ReplayPolicy::Fifo, .capacity = 20},
                             .holdout = {.fraction = 0}};
  StorePtr store = open_store(spec);
  uintmax_t largest = 0;
  for (uint64_t i = 0; i < 400; ++i) {
    add(*store, sample_of(i, "a", picture_of(i, 60, 60)));
    largest = std::max(largest, std::filesystem::file_size(spec.location + "/store.resnetft"));
  }
  EXPECT_GT(largest, uintmax_t{1} << 19);
  EXPECT_LT(largest, (uintmax_t{1} << 20) + 20'000);
  const std::string before = described(*store);
  store.reset();
  store = open_store(spec);
  EXPECT_EQ(described(*store), before);
  EXPECT_EQ(store->samples().front()->key, sample_of(380, "").key);
}

bool any_file_holds(const std::string& folder, const std::vector<uint8_t>& bytes) {
  const std::string wanted(bytes.begin(), bytes.end());
  bool found = false;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    found = found || (entry.is_regular_file() && read_text(entry.path().string()).find(wanted) != std::string::npos);
  return found;
}

// Sixteen bytes of a picture are enough to find it by.
TEST(ReplayStore, WithoutStoreFramesNoFrameReachesTheDisk) {
  for (const bool store_frames : {false, true}) {
    const TemporaryFolder folder;
    const ReplayStoreSpec spec{.location = folder.file("s"), .store_frames = store_frames, .holdout = {.fraction = 0}};
    StorePtr store = open_store(spec);
    std::vector<SmallPicturePtr> pictures;
    for (uint64_t i = 0; i < 30; ++i) pictures.push_back(picture_of(i, 20, 20));
    for (uint64_t i = 0; i < 30; ++i) add(*store, sample_of(i, "a", pictures[i]));
    Sample corrected = sample_of(3, "b", pictures[3]);
    corrected.source = LabelSource::Answer;
    add(*store, corrected);
    ASSERT_TRUE(store->set_feature(5, "trunk 2", {1, 2}).ok());
    for (const SmallPicturePtr& picture : pictures) {
      const std::vector<uint8_t> piece(picture->rgb.begin() + 40, picture->rgb.begin() + 56);
      EXPECT_EQ(any_file_holds(spec.location, piece), store_frames);
    }
    EXPECT_NE(store->samples()[0]->picture, nullptr);
    store.reset();
    store = open_store(spec);
    EXPECT_EQ(store->samples()[0]->picture != nullptr, store_frames);
  }
}

TEST(ReplayStore, FramesOfAnEarlierRunLeaveTheDiskWithoutStoreFrames) {
  const TemporaryFolder folder;
  ReplayStoreSpec spec{.location = folder.file("s"), .store_frames = true};
  const SmallPicturePtr picture = picture_of(1, 20, 20);
  add(*open_store(spec), sample_of(1, "a", picture));
  ASSERT_TRUE(any_file_holds(spec.location, picture->rgb));
  spec.store_frames = false;
  std::string notes;
  const StorePtr store = open_store(spec, &notes);
  EXPECT_NE(notes.find("store-frames"), std::string::npos) << notes;
  EXPECT_FALSE(any_file_holds(spec.location, picture->rgb));
  EXPECT_TRUE(equal_pictures(store->samples()[0]->picture, picture));
}

TEST(ReplayStore, ExportsAFolderThatTrainingTakes) {
  const TemporaryFolder folder;
  const StorePtr store = open_store({.holdout = {.fraction = 0.5, .seed = 1}});
  for (uint64_t i = 0; i < 80; ++i) add(*store, sample_of(i, i % 2 == 0 ? "a/b" : ".hidden", picture_of(i, 12, 10)));
  const StoreCounts counts = store->counts();
  ASSERT_GT(counts.holdout, 5u);
  ASSERT_TRUE(store->export_to(folder.file("out")).ok());
  const Result<DataSplit> data = open_data(folder.file("out"), {});
  ASSERT_TRUE(data.ok()) << to_string(data.error());
  EXPECT_EQ(data->train->size(), counts.train);
  EXPECT_EQ(data->validation->size(), counts.holdout);
  EXPECT_EQ(data->train->classes(), (std::vector<std::string>{"%2Ehidden", "a%2Fb"}));
  for (const auto& sample : store->samples()) {
    const std::string path = folder.file("out") + (sample->side == HoldoutSide::Train ? "/train/" : "/val/") +
                             folder_name_of(sample->label) + "/" + std::to_string(sample->id) + ".png";
    const Result<DecodedImage> read = read_image_file(path);
    ASSERT_TRUE(read.ok()) << path;
    ASSERT_EQ(read->view.format, PixelFormat::Rgb);
    for (int y = 0; y < 10; ++y)
      EXPECT_TRUE(std::equal(read->view.planes[0] + y * read->view.strides[0],
                             read->view.planes[0] + y * read->view.strides[0] + 36,
                             sample->picture->rgb.data() + 36 * y));
  }
  EXPECT_EQ(store->export_to(folder.file("out")).error().code, ErrorCode::InvalidArgument);
}

TEST(ReplayStore, ExportNamesStoreFramesWherePicturesAreMissing) {
  const TemporaryFolder folder;
  const StorePtr store = open_store({});
  add(*store, sample_of(1, "a"));
  const Status status = store->export_to(folder.file("out"));
  EXPECT_EQ(status.error().code, ErrorCode::Incompatible);
  EXPECT_NE(to_string(status.error()).find("store-frames"), std::string::npos);
}

TEST(ReplayStore, EveryLabelHasAFolderNameOfItsOwn) {
  EXPECT_EQ(folder_name_of("two words ü"), "two words ü");
  EXPECT_EQ(folder_name_of(".."), "%2E.");
  EXPECT_EQ(folder_name_of("50%/\n"), "50%25%2F%0A");
  const std::string a = folder_name_of(std::string(10'000, 'x') + "a"),
                    b = folder_name_of(std::string(10'000, 'x') + "b");
  EXPECT_NE(a, b);
  EXPECT_LE(a.size(), 255u);
}

TEST(ReplayStore, TheManifestTellsIdsKeysLabelsAndSides) {
  const auto manifest = [](const std::function<void(Sample&)>& change) {
    Sample sample = sample_of(1, "a");
    sample.id = 1;
    change(sample);
    const std::vector<std::shared_ptr<const Sample>> samples = {std::make_shared<const Sample>(sample)};
    return manifest_of(samples);
  };
  const std::string base = manifest([](Sample&) {});
  EXPECT_EQ(base.size(), 64u);
  EXPECT_EQ(manifest([](Sample& sample) { sample.feature = {1}; }), base);
  EXPECT_NE(manifest([](Sample& sample) { sample.id = 2; }), base);
  EXPECT_NE(manifest([](Sample& sample) { ++sample.key.running_time_ns; }), base);
  EXPECT_NE(manifest([](Sample& sample) { sample.label = "b"; }), base);
  EXPECT_NE(manifest([](Sample& sample) { sample.side = HoldoutSide::Holdout; }), base);
}

TEST(ReplayStore, FatesHaveNames) {
  EXPECT_STREQ(sample_fate_name(SampleFate::Stored), "stored");
  EXPECT_STREQ(sample_fate_name(SampleFate::NoRoom), "no-room");
}

}  // namespace
}  // namespace resnetft
