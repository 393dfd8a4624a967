// SPDX-License-Identifier: MIT
#include "base/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace resnetft {
namespace {

using testing::read_text;
using testing::TemporaryFolder;
using testing::write_text;

Status write(const std::string& path, const std::vector<std::string_view>& texts) {
  std::vector<std::span<const std::byte>> parts;
  for (const std::string_view text : texts) parts.push_back(std::as_bytes(std::span(text)));
  return write_file_atomically(path, parts);
}

TEST(AtomicFile, WritesThePartsInOrderAndLeavesNothingBeside) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write(folder.file("a"), {"one ", "", "two"}).ok());
  EXPECT_EQ(read_text(folder.file("a")), "one two");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, KeepsTheModeOfTheFileThatItReplaces) {
  const TemporaryFolder folder;
  write_text(folder.file("a"), "old");
  ASSERT_EQ(chmod(folder.file("a").c_str(), 0640), 0);
  ASSERT_TRUE(write(folder.file("a"), {"new"}).ok());
  struct stat info;
  ASSERT_EQ(stat(folder.file("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640u);
  EXPECT_EQ(read_text(folder.file("a")), "new");
}

TEST(AtomicFile, RefusesATargetThatIsAFolderOrHasNone) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.file("taken"));
  for (const std::string& path : {folder.file("taken"), folder.file("absent/a")}) {
    const Status status = write(path, {"new"});
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::Io);
    EXPECT_NE(status.error().message.find(path), std::string::npos);
  }
  EXPECT_EQ(folder.entries(), 1u);
}

// A limit on the size of files stands for the full disk: write() fails half way in the same manner.
TEST(AtomicFile, LeavesTheOldFileIntactWhenSpaceRunsOut) {
  const TemporaryFolder folder;
  write_text(folder.file("a"), "old");
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string large(10000, 'x');
  const Status status = write(folder.file("a"), {large});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::Io);
  EXPECT_EQ(read_text(folder.file("a")), "old");
  EXPECT_EQ(folder.entries(), 1u);
}

}  // namespace
}  // namespace resnetft
