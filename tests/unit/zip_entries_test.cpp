// SPDX-License-Identifier: MIT
#include "model/zip_entries.h"

#include <gtest/gtest.h>

#include <random>

#include "model/corrupt.h"
#include "tests/support/zip_builder.h"

namespace resnetft {
namespace {

using testing::build_zip;
using testing::put;
using testing::ZipMember;

ZipEntries read(const std::string& archive) { return read_zip_entries(std::as_bytes(std::span(archive))); }

std::string text_of(const ZipEntry& entry) {
  return {reinterpret_cast<const char*>(entry.bytes.data()), entry.bytes.size()};
}

void expect_corrupt(const std::string& archive, std::string_view reason) {
  try {
    read(archive);
    FAIL() << "read: " << reason;
  } catch (const Corrupt& corrupt) {
    EXPECT_NE(corrupt.reason.find(reason), std::string::npos) << corrupt.reason;
  }
}

TEST(ZipEntries, AreSpansOfTheArchive) {
  const std::string archive = build_zip({{"p/one", "first"}, {"p/two", ""}, {"p/three", "third"}});
  const ZipEntries entries = read(archive);
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(text_of(entries.at("p/one")), "first");
  EXPECT_EQ(text_of(entries.at("p/two")), "");
  EXPECT_EQ(text_of(entries.at("p/three")), "third");
  const auto* data = reinterpret_cast<const char*>(entries.at("p/three").bytes.data());
  EXPECT_EQ(data, archive.data() + archive.find("third"));
}

TEST(ZipEntries, HaveSizesAndOffsetsIn64BitsWhereTheDirectorySaysSo) {
  const std::string archive = build_zip({{"a", "one"}, {.name = "b", .data = "two", .zip64 = true}});
  const ZipEntries entries = read(archive);
  EXPECT_EQ(text_of(entries.at("b")), "two");
}

TEST(ZipEntries, AreFoundBehindACommentAndAnEndRecordOfZip64) {
  std::string archive = build_zip({{"a", "one"}});
  const size_t end = archive.size() - 22, directory = archive.find("PK\x01\x02");
  std::string end64;
  put(end64, 0x06064b50, 4);
  put(end64, 44, 8);
  put(end64, 0, 4 + 4 + 4);
  put(end64, 1, 8);
  put(end64, 1, 8);
  put(end64, end - directory, 8);
  put(end64, directory, 8);
  put(end64, 0x07064b50, 4);
  put(end64, 0, 4);
  put(end64, end, 8);
  put(end64, 1, 4);
  std::string tail = archive.substr(end);
  tail.replace(8, 12, 12, '\xff');  // counts, size and offset only in the record of zip64
  tail[20] = 5;
  EXPECT_EQ(text_of(read(archive.substr(0, end) + end64 + tail + "hello").at("a")), "one");
}

TEST(ZipEntries, WhoseDirectoryLiesAreRefusedWithTheReason) {
  expect_corrupt(build_zip({{.name = "a", .data = "x", .method = 8}}), "'a' is compressed");
  expect_corrupt(build_zip({{.name = "a", .data = "x", .flags = 1}}), "'a' is encrypted");
  expect_corrupt(build_zip({{"a", "x"}, {"a", "y"}}), "names 'a' twice");
  expect_corrupt(build_zip({{.name = "a", .data = "x", .extra_size = 1000}}), "beyond the file");
  expect_corrupt(build_zip({{.name = "a", .data = "x", .extra_size = 1}}), "overlap");
  expect_corrupt(build_zip({{.name = "a", .data = "x", .offset_error = 1}}), "no header");
  expect_corrupt(build_zip({{.name = "a", .data = "x", .offset_error = 100000}}), "outside the file");
  expect_corrupt(build_zip({{.name = "a", .data = "x", .zip64 = true, .extra_size = INT64_MAX}}), "beyond the file");
}

// The bomb of overlapping files (Fifield 2019): many directory entries, one body.
TEST(ZipEntries, ThatShareOneBodyAreRefused) {
  std::vector<ZipMember> members = {{"0", std::string(1000, 'x')}};
  const int64_t size = static_cast<int64_t>(build_zip({{"1", ""}}).find("PK\x01\x02"));
  for (int i = 1; i < 10; ++i)
    members.push_back({.name = std::to_string(i), .data = "", .extra_size = 1000, .offset_error = -(1000 + size * i)});
  expect_corrupt(build_zip(members), "overlap");
}

TEST(ZipEntries, BeyondTheLimitAreRefusedBeforeTheyAreRead) {
  std::string archive = build_zip({{"a", "x"}});
  std::string end64;
  put(end64, 0x06064b50, 4);
  put(end64, 0, 8 + 4 + 4 + 4);
  put(end64, 1'000'000, 8);
  put(end64, 1'000'000, 8);
  put(end64, 0, 16);
  const size_t at = archive.size() - 22;
  put(end64, 0x07064b50, 4);
  put(end64, 0, 4);
  put(end64, at, 8);
  put(end64, 1, 4);
  archive.insert(at, end64);
  expect_corrupt(archive, "more than 300000 entries");
}

TEST(ZipEntries, OfACutArchiveAreRefused) {
  const std::string archive = build_zip({{"p/one", "first"}, {.name = "p/two", .data = "second", .zip64 = true}});
  for (size_t size = 0; size < archive.size(); ++size) EXPECT_THROW(read(archive.substr(0, size)), Corrupt) << size;
}

TEST(ZipEntries, AreCheckedAgainstTheirChecksumWhereThereIsOne) {
  ZipEntries good = read(build_zip({{"a", "one"}}));
  EXPECT_NO_THROW(check_crc("a", good.at("a")));
  good.at("a").crc32 ^= 1;
  EXPECT_THROW(check_crc("a", good.at("a")), Corrupt);
  EXPECT_NO_THROW(check_crc("a", read(build_zip({{.name = "a", .data = "one", .with_crc = false}})).at("a")));
}

TEST(ZipEntries, WithFlippedBitsStayWithinTheArchive) {
  std::mt19937 random(3);
  const std::string good = build_zip({{"p/one", "first"}, {.name = "p/two", .data = "second", .zip64 = true}});
  int read_whole = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string archive = good;
    for (unsigned int flips = 1 + random() % 3; flips > 0; --flips)
      archive[random() % archive.size()] ^= static_cast<char>(1 << random() % 8);
    try {
      size_t total = 0;
      for (const auto& [name, entry] : read(archive)) {
        total += entry.bytes.size();
        ASSERT_GE(reinterpret_cast<const char*>(entry.bytes.data()), archive.data());
      }
      ASSERT_LE(total, archive.size());
      ++read_whole;
    } catch (const Corrupt&) {
    }
  }
  EXPECT_GT(read_whole, 1000);  // flips in the data
}

}  // namespace
}  // namespace resnetft
