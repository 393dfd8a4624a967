// SPDX-License-Identifier: MIT
#include "data/split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <filesystem>
#include <map>
#include <set>

#include "data/augmentation.h"
#include "tests/support/dataset.h"
#include "tests/support/temporary_folder.h"

namespace resnetft {
namespace {

namespace fs = std::filesystem;
using Hashes = std::vector<std::optional<uint64_t>>;

// `sizes[i]` pictures of class i, one class after the other.
std::vector<size_t> classes_of(const std::vector<size_t>& sizes) {
  std::vector<size_t> ids;
  for (size_t id = 0; id < sizes.size(); ++id) ids.insert(ids.end(), sizes[id], id);
  return ids;
}

size_t count(const std::vector<size_t>& part, const std::vector<size_t>& class_ids, size_t id) {
  return static_cast<size_t>(std::ranges::count_if(part, [&](size_t picture) { return class_ids[picture] == id; }));
}

void expect_whole(const Split& split, size_t size) {
  std::vector<size_t> all = split.train;
  all.insert(all.end(), split.validation.begin(), split.validation.end());
  std::ranges::sort(all);
  ASSERT_EQ(all.size(), size);
  for (size_t i = 0; i < size; ++i) ASSERT_EQ(all[i], i);
}

TEST(Split, TakesTheFractionOfEachClass) {
  const std::vector<size_t> class_ids = classes_of({100, 10, 33});
  const Split split = split_stratified(class_ids, {}, 0.2, 0);
  expect_whole(split, 143);
  EXPECT_EQ(count(split.validation, class_ids, 0), 20u);
  EXPECT_EQ(count(split.validation, class_ids, 1), 2u);
  EXPECT_EQ(count(split.validation, class_ids, 2), 7u);
  EXPECT_EQ(split.duplicate_groups, 0u);
  EXPECT_FALSE(split.at_random);
}

TEST(Split, DependsOnTheSeedAlone) {
  const std::vector<size_t> class_ids = classes_of({50, 50});
  EXPECT_EQ(split_stratified(class_ids, {}, 0.2, 3).validation, split_stratified(class_ids, {}, 0.2, 3).validation);
  EXPECT_NE(split_stratified(class_ids, {}, 0.2, 3).validation, split_stratified(class_ids, {}, 0.2, 4).validation);
}

TEST(Split, SmallClassesKeepOneToLearnFromAndOneToJudgeBy) {
  const std::vector<size_t> class_ids = classes_of({1, 2, 3, 0, 2});
  for (const double fraction : {0.01, 0.5, 0.99}) {
    const Split split = split_stratified(class_ids, {}, fraction, 1);
    expect_whole(split, 8);
    EXPECT_EQ(count(split.validation, class_ids, 0), 0u);
    EXPECT_EQ(count(split.validation, class_ids, 1), 1u);
    EXPECT_GE(count(split.validation, class_ids, 2), 1u);
    EXPECT_GE(count(split.train, class_ids, 2), 1u);
    EXPECT_EQ(count(split.validation, class_ids, 4), 1u);
    EXPECT_FALSE(split.at_random);
  }
}

uint64_t spread(uint64_t number) { return number * 0x9e3779b97f4a7c15u; }

TEST(Split, NearDuplicatesOfUpToFourBitsGoToOneSide) {
  const std::vector<size_t> class_ids = classes_of({60, 60});
  Hashes hashes;
  for (size_t i = 0; i < 120; ++i) hashes.push_back(spread(i / 3 + 1));  // groups of three
  for (size_t i = 0; i < 120; i += 3) {
    *hashes[i + 1] ^= 0xf;  // four bits from the first
    *hashes[i + 2] ^= uint64_t{1} << 63 | 1ull << 20 | 1ull << 40 | 2;
  }
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Split split = split_stratified(class_ids, hashes, 0.2, seed);
    expect_whole(split, 120);
    EXPECT_EQ(split.duplicate_groups, 40u);
    EXPECT_EQ(split.duplicate_pictures, 120u);
    EXPECT_FALSE(split.at_random);
    const std::set<size_t> validation(split.validation.begin(), split.validation.end());
    for (size_t i = 0; i < 120; i += 3) {
      EXPECT_EQ(validation.contains(i), validation.contains(i + 1));
      EXPECT_EQ(validation.contains(i), validation.contains(i + 2));
    }
    for (const size_t id : {0u, 1u}) EXPECT_NEAR(static_cast<double>(count(split.validation, class_ids, id)), 12, 1.5);
  }
}

TEST(Split, FiveBitsApartIsNoDuplicateButChainsAre) {
  const std::vector<size_t> class_ids = classes_of({4});
  EXPECT_EQ(split_stratified(class_ids, Hashes{0u, 0x1f, 0xffff, 0xff0000}, 0.5, 0).duplicate_groups, 0u);
  const Split chain = split_stratified(class_ids, Hashes{0u, 0xf, 0xff, 0xffff000000}, 0.5, 0);
  EXPECT_EQ(chain.duplicate_groups, 1u);
  EXPECT_EQ(chain.duplicate_pictures, 3u);
  EXPECT_EQ(near_duplicate_groups(Hashes{1u << 20, std::nullopt, 0xff, 0x7f, std::nullopt}),
            (std::vector<std::vector<size_t>>{{2, 3}}));
}

// Against the comparison of all pairs.
TEST(Split, FindsEveryNearDuplicate) {
  CounterRandom random(9, 9, 9, 9);
  Hashes hashes;
  for (int i = 0; i < 600; ++i) {
    uint64_t hash = spread(random.below(200) + 1);
    for (uint32_t flips = random.below(4); flips > 0; --flips) hash ^= uint64_t{1} << random.below(64);
    hashes.push_back(hash);
  }
  std::vector<size_t> root(600);
  for (size_t i = 0; i < 600; ++i) root[i] = i;
  for (size_t i = 0; i < 600; ++i)
    for (size_t j = 0; j < i; ++j)
      if (std::popcount(*hashes[i] ^ *hashes[j]) <= 4) std::ranges::replace(root, root[i], root[j]);
  std::map<size_t, size_t> sizes;
  for (const size_t each : root) ++sizes[each];
  size_t groups = 0, pictures = 0;
  for (const auto& [first, size] : sizes) {
    groups += size > 1;
    pictures += size > 1 ? size : 0;
  }
  const Split split = split_stratified(std::vector<size_t>(600, 0), hashes, 0.2, 0);
  EXPECT_GT(groups, 100u);
  EXPECT_EQ(split.duplicate_groups, groups);
  EXPECT_EQ(split.duplicate_pictures, pictures);
}

TEST(Split, AClassOfOneGroupIsTornAtRandomAndThatIsSaid) {
  const std::vector<size_t> class_ids = classes_of({10, 10});
  Hashes hashes;
  for (size_t i = 0; i < 20; ++i) hashes.push_back(i < 10 ? spread(1) : spread(i));
  const Split split = split_stratified(class_ids, hashes, 0.2, 0);
  expect_whole(split, 20);
  EXPECT_TRUE(split.at_random);
  EXPECT_EQ(split.duplicate_groups, 1u);
  EXPECT_EQ(count(split.validation, class_ids, 0), 2u);
  EXPECT_EQ(count(split.validation, class_ids, 1), 2u);
}

TEST(Split, AClassOfLargeGroupsGivesItsSmallest) {
  const std::vector<size_t> class_ids = classes_of({30});
  Hashes hashes;
  for (size_t i = 0; i < 30; ++i) hashes.push_back(spread(i < 14 ? 1 : i < 20 ? 2 : 3));
  const Split split = split_stratified(class_ids, hashes, 0.05, 0);
  EXPECT_FALSE(split.at_random);
  EXPECT_EQ(split.validation, (std::vector<size_t>{14, 15, 16, 17, 18, 19}));
}

// Left to right as 9 columns of 8 rows.
DecodedImage columns(const std::vector<uint8_t>& grays) {
  std::vector<uint8_t> rgb;
  for (int y = 0; y < 8; ++y)
    for (const uint8_t gray : grays) rgb.insert(rgb.end(), 3, gray);
  return testing::image_of(std::move(rgb), 9, 8);
}

TEST(Dhash, HasABitForEachPlaceThatIsBrighterThanItsRightNeighbour) {
  EXPECT_EQ(dhash(columns({0, 1, 2, 3, 4, 5, 6, 7, 8}).view), 0u);
  EXPECT_EQ(dhash(columns({8, 7, 6, 5, 4, 3, 2, 1, 0}).view), ~uint64_t{0});
  EXPECT_EQ(dhash(columns({9, 1, 2, 2, 2, 2, 2, 9, 0}).view), 0x8181818181818181u);
}

// Each pixel of a 9x8 picture as a square of `scale` pixels, each value divided.
DecodedImage enlarged(const DecodedImage& small, size_t scale, uint8_t divisor) {
  std::vector<uint8_t> rgb;
  for (size_t y = 0; y < 8 * scale; ++y)
    for (size_t x = 0; x < 9 * scale; ++x)
      for (size_t c = 0; c < 3; ++c)
        rgb.push_back(static_cast<uint8_t>(small.view.planes[0][(y / scale * 9 + x / scale) * 3 + c] / divisor));
  return testing::image_of(std::move(rgb), static_cast<int>(9 * scale), static_cast<int>(8 * scale));
}

TEST(Dhash, ScaledOrDarkerPicturesStayNear) {
  const DecodedImage small = testing::noise_image(1, 9, 8);
  const uint64_t hash = dhash(enlarged(small, 10, 1).view);
  EXPECT_LE(std::popcount(hash ^ dhash(enlarged(small, 23, 1).view)), kNearDuplicateBits);
  EXPECT_LE(std::popcount(hash ^ dhash(enlarged(small, 10, 2).view)), kNearDuplicateBits);
  EXPECT_GT(std::popcount(hash ^ dhash(enlarged(testing::noise_image(2, 9, 8), 10, 1).view)), 15);
}

class OpenData : public ::testing::Test {
 protected:
  // `number` makes the pixels.
  void write(const std::string& name, uint32_t number) {
    const std::string path = folder_.file(name);
    fs::create_directories(fs::path(path).parent_path());
    const DecodedImage image = testing::noise_image(number, 20, 20);
    testing::write_text(
        path, "P6 20 20 255\n" + std::string(reinterpret_cast<const char*>(image.view.planes[0]), 20 * 20 * 3));
  }
  void write_class(const std::string& name, int pictures, uint32_t first) {
    for (int i = 0; i < pictures; ++i) write(name + "/" + std::to_string(i) + ".ppm", first + static_cast<uint32_t>(i));
  }

  testing::TemporaryFolder folder_;
};

TEST_F(OpenData, TrainAndValOrTestAreTaken) {
  write_class("d/train/a", 4, 0);
  write_class("d/train/b", 4, 10);
  write_class("d/test/a", 2, 20);
  write_class("d/test/b", 1, 30);
  DataSplit data = open_data(folder_.file("d"), {}).value();
  EXPECT_EQ(data.train->size(), 8u);
  EXPECT_EQ(data.validation->size(), 3u);
  EXPECT_NE(data.how.find("train/ and test/"), std::string::npos) << data.how;
  write_class("d/val/a", 1, 40);
  data = open_data(folder_.file("d"), {}).value();
  EXPECT_EQ(data.validation->size(), 1u);
  EXPECT_EQ(data.validation->classes().size(), 2u);
  EXPECT_NE(data.how.find("of which 1 have validation"), std::string::npos) << data.how;
}

TEST_F(OpenData, OneFolderIsSplitTheSameWayWhateverTheWorkers) {
  write_class("d/a", 20, 0);
  write_class("d/b", 10, 100);
  const DataSplit one = open_data(folder_.file("d"), {.workers = 1}).value();
  const DataSplit four = open_data(folder_.file("d"), {.workers = 4}).value();
  EXPECT_EQ(one.train->size(), 24u);
  EXPECT_EQ(one.validation->size(), 6u);
  EXPECT_EQ(one.train->manifest_hash(), four.train->manifest_hash());
  EXPECT_NE(one.train->manifest_hash(), open_data(folder_.file("d"), {.seed = 1})->train->manifest_hash());
  EXPECT_NE(one.how.find("24 pictures to learn from, 6 (0.2 of each class) to judge by; no near-duplicates"),
            std::string::npos)
      << one.how;
}

TEST_F(OpenData, CopiesStayTogetherAndAreCounted) {
  write_class("d/a", 20, 0);
  for (int i = 0; i < 5; ++i) write("d/a/copy" + std::to_string(i) + ".ppm", 3);
  const DataSplit data = open_data(folder_.file("d"), {}).value();
  EXPECT_NE(data.how.find("6 pictures are near-duplicates in 1 group, which stay on one side"), std::string::npos)
      << data.how;
}

TEST_F(OpenData, PicturesThatCannotBeReadAreNamedOnce) {
  write_class("d/a", 6, 0);
  testing::write_text(folder_.file("d/a/bad.jpg"), "x");
  const DataSplit data = open_data(folder_.file("d"), {}).value();
  ASSERT_EQ(data.corrupt.size(), 1u);
  EXPECT_NE(data.corrupt[0].first.find("a/bad.jpg"), std::string::npos);
  EXPECT_EQ(data.train->size() + data.validation->size(), 7u);
}

TEST_F(OpenData, AnotherFolderToJudgeBy) {
  write_class("d/a", 3, 0);
  write_class("e/a", 2, 10);
  write_class("f/val/a", 1, 10);
  EXPECT_EQ(open_data(folder_.file("d"), {.validation_folder = folder_.file("e")})->validation->size(), 2u);
  EXPECT_EQ(open_data(folder_.file("d"), {.validation_folder = folder_.file("e")})->train->size(), 3u);
  EXPECT_EQ(open_data(folder_.file("d"), {.validation_folder = folder_.file("f")})->validation->size(), 1u);
}

TEST_F(OpenData, ASplitCanBeStoppedWhileItLooksForDuplicates) {
  write_class("d/a", 10, 0);
  std::vector<size_t> done;
  const VisitProgress stop_at_three = [&](size_t count) {
    done.push_back(count);
    return count < 3;
  };
  SplitOptions options{.workers = 1, .progress = stop_at_three};
  EXPECT_EQ(open_data(folder_.file("d"), options).error().code, ErrorCode::Cancelled);
  EXPECT_EQ(done, (std::vector<size_t>{1, 2, 3}));
}

TEST_F(OpenData, ThePartsOfAFolderHaveItsNames) {
  write_class("d/train/a", 3, 0);
  write_class("d/test/a", 1, 10);
  const std::vector<DataPart> parts = open_parts(folder_.file("d")).value();
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].name, "train");
  EXPECT_EQ(parts[1].name, "test");
  EXPECT_EQ(parts[1].data->size(), 1u);
  const std::vector<DataPart> whole = open_parts(folder_.file("d/train")).value();
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(whole[0].name, "");
}

TEST(VisitPictures, SeesEachPictureOnceWhateverTheWorkers) {
  const DatasetPtr data = testing::noise_dataset(40, 2);
  for (const unsigned workers : {1u, 3u}) {
    std::vector<std::atomic<int>> seen(40);
    const auto visit = [&](size_t index, const Result<DecodedImage>& image) {
      seen[index] += image->pixels == data->get(index)->pixels;
    };
    ASSERT_TRUE(visit_pictures(*data, workers, {}, visit).ok());
    for (const std::atomic<int>& count : seen) EXPECT_EQ(count, 1);
  }
}

TEST_F(OpenData, OtherClassesToJudgeByAreIncompatible) {
  write_class("d/train/a", 3, 0);
  write_class("d/val/b", 2, 10);
  const Error error = open_data(folder_.file("d"), {}).error();
  EXPECT_EQ(error.code, ErrorCode::Incompatible);
  EXPECT_NE(error.message.find("'b'"), std::string::npos) << error.message;
}

TEST_F(OpenData, AFolderCalledTrainAmongOtherClassesIsAClass) {
  write_class("d/train", 5, 0);
  write_class("d/bus", 5, 10);
  EXPECT_EQ(open_data(folder_.file("d"), {})->train->classes(), (std::vector<std::string>{"bus", "train"}));
}

TEST_F(OpenData, WhatCannotBeSplitSaysWhy) {
  EXPECT_EQ(open_data(folder_.file("none"), {}).error().code, ErrorCode::NotFound);
  write_class("d/a", 5, 0);
  for (const double fraction : {0.0, 1.0, -1.0, 2.0})
    EXPECT_EQ(open_data(folder_.file("d"), {.validation_fraction = fraction}).error().code, ErrorCode::InvalidArgument);
}

// Records of a label (CIFAR-100: a coarse label first) and three planes.
std::string cifar_record(const std::string& labels, int value) {
  std::string record = labels;
  for (int plane = 0; plane < 3; ++plane)
    for (int i = 0; i < 1024; ++i) record += static_cast<char>(value + 50 * plane + i % 7);
  return record;
}

void write_cifar10(const testing::TemporaryFolder& folder) {
  fs::create_directories(folder.file("c/cifar-10-batches-bin"));
  for (int i = 1; i <= 5; ++i)
    testing::write_text(folder.file("c/cifar-10-batches-bin/data_batch_" + std::to_string(i) + ".bin"),
                        cifar_record(std::string(1, static_cast<char>(i)), i) + cifar_record("\x09", 10 + i));
  testing::write_text(folder.file("c/cifar-10-batches-bin/test_batch.bin"), cifar_record("\x03", 1));
  testing::write_text(folder.file("c/cifar-10-batches-bin/batches.meta.txt"),
                      "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
}

TEST(Cifar, TenHasFiveTrainingFilesWithPlanesOfColour) {
  const testing::TemporaryFolder folder;
  write_cifar10(folder);
  const DatasetPtr data = open_cifar(folder.file("c"), true).value();
  ASSERT_EQ(data->size(), 10u);
  EXPECT_EQ(data->classes().at(9), "truck");
  EXPECT_EQ(data->class_id(2), 2u);
  EXPECT_EQ(data->class_id(3), 9u);
  EXPECT_EQ(data->name(3), "data_batch_2.bin#1");
  const DecodedImage image = data->get(3).value();
  EXPECT_EQ(image.view.width, 32);
  EXPECT_EQ(image.view.height, 32);
  for (int channel = 0; channel < 3; ++channel) {
    EXPECT_EQ(image.view.planes[0][channel], 12 + 50 * channel);
    EXPECT_EQ(image.view.planes[0][3 * 33 + channel], 12 + 50 * channel + 33 % 7);
  }
  EXPECT_EQ(open_cifar(folder.file("c/cifar-10-batches-bin"), false).value()->size(), 1u);
  const DataSplit split = open_data(folder.file("c"), {}).value();
  EXPECT_EQ(split.train->size(), 10u);
  EXPECT_EQ(split.validation->size(), 1u);
  EXPECT_EQ(split.train->manifest_hash(), data->manifest_hash());
}

TEST(Cifar, HundredTakesTheFineLabelAndNumbersNamelessClasses) {
  const testing::TemporaryFolder folder;
  testing::write_text(folder.file("train.bin"), cifar_record("\x01\x63", 0) + cifar_record("\x02\x05", 0));
  testing::write_text(folder.file("test.bin"), cifar_record("\x01\x07", 0));
  const DatasetPtr data = open_cifar(folder.file(""), true).value();
  EXPECT_EQ(data->classes().size(), 100u);
  EXPECT_EQ(data->classes()[99], "99");
  EXPECT_EQ(data->class_id(0), 99u);
  EXPECT_EQ(data->class_id(1), 5u);
}

TEST(Cifar, FilesThatDoNotFitAreCorruptAndNamed) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(open_cifar(folder.file(""), true).error().code, ErrorCode::NotFound);
  write_cifar10(folder);
  const std::string file = folder.file("c/cifar-10-batches-bin/data_batch_4.bin");
  for (const std::string& text :
       {std::string("short"), std::string(), cifar_record("\x01", 0) + "x", cifar_record("\x0a", 0)}) {
    testing::write_text(file, text);
    const Error error = open_cifar(folder.file("c"), true).error();
    EXPECT_EQ(error.code, ErrorCode::CorruptFile);
    EXPECT_NE(error.message.find("data_batch_4.bin"), std::string::npos) << error.message;
  }
  fs::remove(file);
  EXPECT_EQ(open_cifar(folder.file("c"), true).error().code, ErrorCode::NotFound);
}

}  // namespace
}  // namespace resnetft
