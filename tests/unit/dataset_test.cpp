// SPDX-License-Identifier: MIT
#include "data/dataset.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/dataset.h"
#include "tests/support/temporary_folder.h"

namespace resnetft {
namespace {

namespace fs = std::filesystem;

// A PPM file of one colour.
void write_picture(const std::string& path, char value, int side = 2) {
  fs::create_directories(fs::path(path).parent_path());
  const std::string size = std::to_string(side);
  testing::write_text(path,
                      "P6 " + size + " " + size + " 255\n" + std::string(static_cast<size_t>(side * side * 3), value));
}

class FolderDataset : public ::testing::Test {
 protected:
  void SetUp() override { fill(folder_); }
  static void fill(const testing::TemporaryFolder& folder) {
    write_picture(folder.file("data/dog/1.ppm"), 1);
    write_picture(folder.file("data/cat/2.ppm"), 2);
    write_picture(folder.file("data/cat/1.ppm"), 3);
  }
  DatasetPtr open() { return open_image_folder(folder_.file("data")).value(); }

  testing::TemporaryFolder folder_;
};

TEST_F(FolderDataset, HasThePicturesOfItsClassFoldersInOrder) {
  const DatasetPtr data = open();
  EXPECT_EQ(data->classes(), (std::vector<std::string>{"cat", "dog"}));
  ASSERT_EQ(data->size(), 3u);
  EXPECT_EQ(data->name(0), folder_.file("data/cat/1.ppm"));
  EXPECT_EQ(data->class_id(2), 1u);
  EXPECT_EQ(data->get(0)->view.planes[0][0], 3);
  EXPECT_EQ(data->get(1)->view.planes[0][0], 2);
  EXPECT_EQ(data->get(2)->view.planes[0][0], 1);
}

TEST_F(FolderDataset, ItsHashIsOfNamesAndSizesAndNotOfThePlace) {
  const testing::TemporaryFolder elsewhere;
  fill(elsewhere);
  const std::string hash = open()->manifest_hash();
  EXPECT_EQ(hash.size(), 64u);
  EXPECT_EQ(open_image_folder(elsewhere.file("data")).value()->manifest_hash(), hash);
  EXPECT_EQ(open_image_folder(elsewhere.file("data") + "/").value()->manifest_hash(), hash);
  write_picture(elsewhere.file("data/cat/1.ppm"), 3, 4);
  EXPECT_NE(open_image_folder(elsewhere.file("data")).value()->manifest_hash(), hash);
  write_picture(elsewhere.file("data/cat/1.ppm"), 4);  // as large as before
  EXPECT_NE(open_image_folder(elsewhere.file("data")).value()->manifest_hash(), hash);
  fs::rename(folder_.file("data/cat/2.ppm"), folder_.file("data/cat/3.ppm"));
  EXPECT_NE(open()->manifest_hash(), hash);
}

TEST_F(FolderDataset, ItsFilesAreReadForTheHashOnce) {
  const DatasetPtr data = open();
  const std::string hash = data->manifest_hash();
  write_picture(folder_.file("data/cat/1.ppm"), 4);
  EXPECT_EQ(data->manifest_hash(), hash);
  EXPECT_NE(open()->manifest_hash(), hash);
}

TEST_F(FolderDataset, AnUnreadablePictureIsAnErrorOfItsOwn) {
  testing::write_text(folder_.file("data/cat/1.ppm"), "P6 2 2 255\n");
  const DatasetPtr data = open();
  EXPECT_EQ(data->get(0).error().code, ErrorCode::CorruptFile);
  EXPECT_NE(data->get(0).error().message.find("cat/1.ppm"), std::string::npos);
  EXPECT_TRUE(data->get(1).ok());
}

TEST(Dataset, ASubsetShowsTheNamedPicturesInThatOrderAndOftenerThanOnce) {
  const DatasetPtr data = testing::noise_dataset(10, 3);
  const DatasetPtr part = subset(data, {7, 2, 7});
  ASSERT_EQ(part->size(), 3u);
  EXPECT_EQ(part->name(0), "7");
  EXPECT_EQ(part->name(1), "2");
  EXPECT_EQ(part->class_id(2), 1u);
  EXPECT_EQ(part->get(2)->pixels, data->get(7)->pixels);
  EXPECT_NE(part->manifest_hash(), subset(data, {2, 7, 7})->manifest_hash());
  EXPECT_EQ(part->manifest_hash(), subset(data, {7, 2, 7})->manifest_hash());
}

TEST(Dataset, OtherClassesRenumberThePictures) {
  const DatasetPtr data = testing::noise_dataset(4, 2);
  const DatasetPtr other = with_classes(data, {"class 1", "new", "class 0"}).value();
  EXPECT_EQ(other->classes().size(), 3u);
  EXPECT_EQ(other->class_id(0), 2u);
  EXPECT_EQ(other->class_id(1), 0u);
  EXPECT_EQ(other->get(3)->pixels, data->get(3)->pixels);
  EXPECT_NE(other->manifest_hash(), data->manifest_hash());
  EXPECT_EQ(with_classes(data, {"class 0", "class 1"}).value(), data);
}

TEST(Dataset, ClassesThatNobodyKnowsAreListed) {
  const Error error = with_classes(testing::noise_dataset(6, 3), {"class 1", "other"}).error();
  EXPECT_EQ(error.code, ErrorCode::Incompatible);
  for (const char* part : {"'class 0', 'class 2'", "'class 1', 'other'"})
    EXPECT_NE(error.message.find(part), std::string::npos) << error.message;
}

}  // namespace
}  // namespace resnetft
