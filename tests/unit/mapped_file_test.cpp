// SPDX-License-Identifier: MIT
#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temporary_folder.h"

namespace resnetft {
namespace {

using testing::TemporaryFolder;
using testing::write_text;

TEST(MappedFile, ShowsTheBytesOfTheFile) {
  const TemporaryFolder folder;
  write_text(folder.file("a"), "bytes");
  const auto file = MappedFile::open(folder.file("a"));
  ASSERT_TRUE(file.ok());
  const std::span<const std::byte> bytes = (*file)->bytes();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), "bytes");
}

TEST(MappedFile, OpensAnEmptyFileAsNoBytes) {
  const TemporaryFolder folder;
  write_text(folder.file("a"), "");
  const auto file = MappedFile::open(folder.file("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE((*file)->bytes().empty());
}

TEST(MappedFile, NamesTheFileThatIsNotThere) {
  const TemporaryFolder folder;
  const auto file = MappedFile::open(folder.file("absent"));
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code, ErrorCode::NotFound);
  EXPECT_NE(file.error().message.find(folder.file("absent")), std::string::npos);
}

TEST(MappedFile, RefusesAFolderAndAFifoWithoutWaiting) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo(folder.file("fifo").c_str(), 0600), 0);
  for (const std::string& path : {folder.file("."), folder.file("fifo")}) {
    const auto file = MappedFile::open(path);
    ASSERT_FALSE(file.ok()) << path;
    EXPECT_EQ(file.error().code, ErrorCode::Io) << path;
  }
}

}  // namespace
}  // namespace resnetft
