// SPDX-License-Identifier: MIT
#include "data/image_folder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "data/decode_ahead.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/wait_until.h"

namespace resnetft {
namespace {

void touch(const testing::TemporaryFolder& folder, const std::string& name) {
  std::filesystem::create_directories(std::filesystem::path(folder.file(name)).parent_path());
  testing::write_text(folder.file(name), "");
}

TEST(ImageFolder, ListsPicturesInDepthSortedWithoutHiddenOnes) {
  const testing::TemporaryFolder folder;
  for (const char* name : {"b.jpg", "a/z.PNG", "a/y.webp", "c.txt", ".hidden.jpg", ".cache/x.jpg", "a b\nc.jpeg"})
    touch(folder, name);
  EXPECT_EQ(list_images(folder.file("")).value(),
            (std::vector<std::string>{folder.file("a b\nc.jpeg"), folder.file("a/y.webp"), folder.file("a/z.PNG"),
                                      folder.file("b.jpg")}));
}

TEST(ImageFolder, ALinkToAFolderAboveEnds) {
  const testing::TemporaryFolder folder;
  touch(folder, "a/x.jpg");
  ASSERT_EQ(symlink("..", folder.file("a/up").c_str()), 0);
  EXPECT_EQ(list_images(folder.file("")).value().size(), 1u);
}

TEST(ImageFolder, ClassesAreTheSortedFolderNames) {
  const testing::TemporaryFolder folder;
  for (const char* name : {"cat/2.jpg", "cat/1.jpg", "ant/deep/3.jpg", "stray.jpg"}) touch(folder, name);
  std::filesystem::create_directories(folder.file("empty"));
  const LabelledFolder labelled = list_labelled_images(folder.file("")).value();
  EXPECT_EQ(labelled.classes, (std::vector<std::string>{"ant", "cat", "empty"}));
  ASSERT_EQ(labelled.files.size(), 3u);
  EXPECT_EQ(labelled.files[0].path, folder.file("ant/deep/3.jpg"));
  EXPECT_EQ(labelled.files[0].class_id, 0u);
  EXPECT_EQ(labelled.files[1].path, folder.file("cat/1.jpg"));
  EXPECT_EQ(labelled.files[2].class_id, 1u);
}

TEST(ImageFolder, WhatHoldsNoPicturesIsNotFound) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(list_images(folder.file("missing")).error().code, ErrorCode::NotFound);
  EXPECT_EQ(list_images(folder.file("")).error().code, ErrorCode::NotFound);
  EXPECT_EQ(list_labelled_images(folder.file("")).error().code, ErrorCode::NotFound);
  std::filesystem::create_directories(folder.file("class"));
  EXPECT_EQ(list_labelled_images(folder.file("")).error().code, ErrorCode::NotFound);
}

DecodeAhead::NextPath numbered_paths(int count) {
  return [next = 0, count]() mutable -> std::optional<std::string> {
    return next < count ? std::optional("missing-" + std::to_string(next++)) : std::nullopt;
  };
}

TEST(DecodeAhead, HandsOutInOrderWhateverTheNumberOfWorkers) {
  for (const unsigned workers : {1u, 4u}) {
    DecodeAhead pictures(numbered_paths(500), workers, 8);
    for (int i = 0; i < 500; ++i) {
      const std::optional<ReadPicture> picture = pictures.next();
      ASSERT_TRUE(picture.has_value());
      ASSERT_EQ(picture->path, "missing-" + std::to_string(i));
      ASSERT_EQ(picture->image.error().code, ErrorCode::NotFound);
    }
    EXPECT_FALSE(pictures.next().has_value());
    EXPECT_TRUE(pictures.next_batch(8, true).empty());
  }
}

TEST(DecodeAhead, HandsOutADatasetsPicturesInItsOrder) {
  const DatasetPtr all = dataset_of_pictures({{{}, 0, "a"}, {{}, 0, "b"}, {{}, 0, "c"}}, {"class"});
  const DatasetPtr data = subset(all, {2, 0, 2});
  DecodeAhead pictures(*data, 2, 2);
  for (const std::string name : {"c", "a", "c"}) EXPECT_EQ(pictures.next().value().path, name);
  EXPECT_FALSE(pictures.next().has_value());
}

TEST(DecodeAhead, AFullBatchWaitsForAllItsPicturesAndTheLastIsShorter) {
  DecodeAhead pictures(numbered_paths(10), 2, 8);
  EXPECT_EQ(pictures.next_batch(6, true).size(), 6u);
  EXPECT_EQ(pictures.next_batch(6, true).size(), 4u);
}

// The source gives one path and then waits: the batch must not wait with it.
TEST(DecodeAhead, ABatchOfWhatIsReadyDoesNotWaitForTheSource) {
  std::atomic<bool> open = false;
  DecodeAhead pictures(
      [&, next = 0]() mutable -> std::optional<std::string> {
        while (next == 1 && !open) std::this_thread::yield();
        return next < 2 ? std::optional(std::to_string(next++)) : std::nullopt;
      },
      2, 8);
  EXPECT_EQ(pictures.next_batch(6, false).size(), 1u);
  open = true;
  EXPECT_EQ(pictures.next_batch(6, false).size(), 1u);
}

TEST(DecodeAhead, TakesNoMorePathsThanItMayHoldAhead) {
  std::atomic<int> taken = 0;
  DecodeAhead pictures([&]() -> std::optional<std::string> { return std::to_string(taken++); }, 2, 3);
  pictures.next();
  pictures.next();
  testing::wait_until([&] { return taken >= 5; });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(taken, 5);  // two are out, three may wait
}

}  // namespace
}  // namespace resnetft
