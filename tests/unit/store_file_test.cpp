// SPDX-License-Identifier: MIT
// What happens to a store's file: foreign, cut, damaged, full disks, kills.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "live/replay_store.h"
#include "live/store_checksum.h"
#include "live/store_record.h"
#include "tests/support/samples.h"
#include "tests/support/temporary_folder.h"

namespace resnetft {
namespace {

using testing::equal_pictures;
using testing::equal_words;
using testing::picture_of;
using testing::read_text;
using testing::sample_of;
using testing::TemporaryFolder;
using testing::write_text;

using StorePtr = std::unique_ptr<ReplayStore>;

// Notes come after open(), too: `notes` outlives the store.
Result<StorePtr> open_store(const ReplayStoreSpec& spec, std::string& notes) {
  return ReplayStore::open(spec, [&notes](LogLevel, const std::string& note) { notes.append(note).append("\n"); });
}

TEST(StoreFile, TheChecksumIsCrc32c) {
  const std::string digits = "123456789";
  EXPECT_EQ(crc32c(std::as_bytes(std::span(digits))), 0xe3069283u);
  const std::vector<std::byte> zeros(32);  // RFC 3720, appendix B.4
  EXPECT_EQ(crc32c(zeros), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::span(zeros).subspan(5), crc32c(std::span(zeros).first(5))), 0x8a9136aau);
}

// Files that a script made from the description of the format (tests/fuzz/make_store_corpus.py).
TEST(StoreFile, ReadsWhatTheDescriptionOfTheFormatSays) {
  const auto sizes = [](const std::string& name) {
    const TemporaryFolder folder;
    write_text(folder.file("store.resnetft"),
               read_text(RESNETFT_SOURCE_ROOT "/tests/fuzz/corpus/store/" + name + ".resnetft"));
    std::string notes;
    const Result<StorePtr> store = open_store({.location = folder.file(""), .store_frames = true}, notes);
    return store.ok() ? (*store)->samples().size() : 99;
  };
  EXPECT_EQ(sizes("empty"), 0u);
  EXPECT_EQ(sizes("features"), 1u);
  EXPECT_EQ(sizes("pictures"), 1u);
  EXPECT_EQ(sizes("cut"), 1u);
  EXPECT_EQ(sizes("version2"), 99u);
}

TEST(StoreFile, AForeignFileIsRefusedByNameAndStaysAsItIs) {
  const TemporaryFolder folder;
  const std::string path = folder.file("store.resnetft"), text = "somebody's notes, longer than a header is";
  write_text(path, text);
  std::string notes;
  const Result<StorePtr> store = open_store({.location = folder.file("")}, notes);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code, ErrorCode::CorruptFile);
  EXPECT_NE(store.error().message.find(path), std::string::npos) << store.error().message;
  EXPECT_EQ(read_text(path), text);
}

TEST(StoreFile, AnotherVersionIsRefusedNamingBothAndStaysAsItIs) {
  const TemporaryFolder folder;
  std::vector<std::byte> header = store_header();
  const uint32_t version = 77;
  std::memcpy(header.data() + header.size() - 8, &version, 4);
  const uint32_t checksum = crc32c(std::span(header).first(header.size() - 4));
  std::memcpy(header.data() + header.size() - 4, &checksum, 4);
  const std::string text(reinterpret_cast<const char*>(header.data()), header.size());
  write_text(folder.file("store.resnetft"), text);
  std::string notes;
  const Result<StorePtr> store = open_store({.location = folder.file("")}, notes);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code, ErrorCode::Incompatible);
  EXPECT_NE(store.error().message.find("version 77"), std::string::npos);
  EXPECT_NE(store.error().message.find("version 1"), std::string::npos);
  EXPECT_EQ(read_text(folder.file("store.resnetft")), text);
}

TEST(StoreFile, AStoreInUseIsRefused) {
  const TemporaryFolder folder;
  std::string notes;
  Result<StorePtr> first = open_store({.location = folder.file("s")}, notes);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(open_store({.location = folder.file("s")}, notes).error().code, ErrorCode::InvalidArgument);
  first->reset();
  EXPECT_TRUE(open_store({.location = folder.file("s")}, notes).ok());
}

TEST(StoreFile, AFolderThatCannotBeMadeIsAnError) {
  std::string notes;
  EXPECT_EQ(open_store({.location = "/proc/no/such/folder"}, notes).error().code, ErrorCode::Io);
}

// Six samples with pictures, and what they are.
struct SmallStore {
  TemporaryFolder folder;
  ReplayStoreSpec spec;
  std::vector<std::shared_ptr<const Sample>> samples;
  std::string bytes;

  SmallStore() : spec{.location = folder.file("s"), .store_frames = true, .reservoir = {}, .holdout = {}} {
    std::string notes;
    Result<StorePtr> store = open_store(spec, notes);
    for (uint64_t i = 0; i < 6; ++i)
      (void)(*store)->add(sample_of(i, i % 2 == 0 ? "a" : "b", picture_of(i, 3, 2)), false);
    samples = (*store)->samples();
    store->reset();
    bytes = read_text(path());
  }
  std::string path() const { return spec.location + "/store.resnetft"; }
  // As a new file: on ext4 closing one that was truncated waits for the disk.
  void put_on_disk(const std::string& text) const {
    std::filesystem::remove(path());
    write_text(path(), text);
  }

  // The first samples, in order and as they were; how many.
  size_t expect_beginning_of(const ReplayStore& store) const {
    const auto there = store.samples();
    EXPECT_LE(there.size(), samples.size());
    for (size_t i = 0; i < std::min(there.size(), samples.size()); ++i) {
      EXPECT_TRUE(equal_words(*there[i], *samples[i]));
      EXPECT_TRUE(equal_pictures(there[i]->picture, samples[i]->picture));
    }
    return there.size();
  }
};

TEST(StoreFile, CutAtAnyByteItKeepsTheRecordsBeforeAndGoesOn) {
  const SmallStore small;
  size_t most = 0, at_records = 0;
  for (size_t size = 0; size <= small.bytes.size(); ++size) {
    small.put_on_disk(small.bytes.substr(0, size));
    std::string notes;
    Result<StorePtr> store = open_store(small.spec, notes);
    ASSERT_TRUE(store.ok()) << size << ' ' << to_string(store.error());
    const size_t kept = small.expect_beginning_of(**store);
    EXPECT_GE(kept, most) << size;
    most = std::max(most, kept);
    const bool at_a_record = notes.find("cut") == std::string::npos && notes.find("begun anew") == std::string::npos;
    at_records += at_a_record;
    if (!at_a_record && size % 32 != 0) continue;  // closing after a write waits for the disk
    ASSERT_EQ((*store)->add(sample_of(100, "c"), false)->fate, SampleFate::Stored);
    store->reset();
    std::string later;
    store = open_store(small.spec, later);
    EXPECT_EQ((*store)->samples().size(), kept + 1) << size;
    EXPECT_EQ(later.find("cut"), std::string::npos) << later;
  }
  EXPECT_EQ(most, 6u);
  EXPECT_EQ(at_records, 7u);  // after the header and after each record nothing had to be cut
}

TEST(StoreFile, RecordsBehindADamagedOneAreKeptApartAsAStore) {
  const SmallStore small;
  const size_t record = (small.bytes.size() - store_header().size()) / 6;
  std::string bytes = small.bytes;
  bytes[store_header().size() + 2 * record + record / 2] ^= 1;  // in the third
  small.put_on_disk(bytes);
  std::string notes;
  const Result<StorePtr> store = open_store(small.spec, notes);
  ASSERT_TRUE(store.ok());
  EXPECT_EQ((*store)->samples().size(), 2u);
  const std::string kept = small.path() + ".damaged";
  EXPECT_NE(notes.find(kept), std::string::npos) << notes;
  const ReplayStoreSpec apart{.location = small.folder.file("apart"), .store_frames = true};
  std::filesystem::create_directories(apart.location);
  std::filesystem::copy_file(kept, apart.location + "/store.resnetft");
  notes.clear();
  const auto samples = open_store(apart, notes).value()->samples();
  ASSERT_EQ(samples.size(), 3u);
  for (size_t i = 0; i < samples.size(); ++i) EXPECT_TRUE(equal_words(*samples[i], *small.samples[i + 3]));
  EXPECT_EQ(notes.find("cut off"), std::string::npos) << notes;
}

// One flipped bit is always found: what is read is a beginning of what was written, or the header is refused.
// Each is a store that is mended, with a wait for the disk: store_fuzz does this millions of times.
TEST(StoreFile, TwoThousandFlippedBitsNeverGiveAWrongSample) {
  const SmallStore small;
  std::mt19937_64 random(3);
  size_t refused = 0, shortened = 0;
  for (int i = 0; i < 2'000; ++i) {
    std::string bytes = small.bytes;
    const size_t place = random() % bytes.size();
    bytes[place] = static_cast<char>(bytes[place] ^ (1 << random() % 8));
    small.put_on_disk(bytes);
    std::string notes;
    const Result<StorePtr> store = open_store(small.spec, notes);
    if (!store.ok()) {
      ++refused;
      EXPECT_LT(place, store_header().size());
      EXPECT_EQ(read_text(small.path()), bytes);
      continue;
    }
    EXPECT_LT(small.expect_beginning_of(**store), 6u);
    EXPECT_NE(notes.find("cut off"), std::string::npos);
    ++shortened;
    if (HasFailure()) return;
  }
  EXPECT_GT(refused, 5u);
  EXPECT_GT(shortened, 1'500u);
}

// A disk that is full, as a limit on the size of files: writing fails with a part written.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_ = {};
  void (*handler_)(int) = nullptr;
};

size_t count_of(const std::string& text, const std::string& word) {
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

TEST(StoreFile, OnAFullDiskItGoesOnInMemoryAndIsWrittenWhenThereIsSpace) {
  SmallStore small;
  std::string notes;
  Result<StorePtr> store = open_store(small.spec, notes);
  {
    const FileSizeLimit limit(small.bytes.size() + 100);
    for (uint64_t i = 6; i < 12; ++i) {
      const ReplayStore::Added added = *(*store)->add(sample_of(i, "a", picture_of(i, 30, 30)), false);
      EXPECT_EQ(added.fate, SampleFate::Stored);
    }
    EXPECT_EQ((*store)->write_status().error().code, ErrorCode::Io);
    EXPECT_FALSE((*store)->sync().ok());
    EXPECT_EQ(count_of(notes, "goes on in memory"), 1u) << notes;
    EXPECT_EQ(read_text(small.path()), small.bytes);  // not torn
  }
  EXPECT_TRUE((*store)->sync().ok());
  EXPECT_TRUE((*store)->write_status().ok());
  EXPECT_EQ(count_of(notes, "is written again"), 1u) << notes;
  (void)(*store)->add(sample_of(12, "a"), false);
  const auto before = (*store)->samples();
  EXPECT_EQ(before.size(), 13u);
  store->reset();
  store = open_store(small.spec, notes);
  const auto after = (*store)->samples();
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_TRUE(equal_words(*after[i], *before[i]));
    EXPECT_TRUE(equal_pictures(after[i]->picture, before[i]->picture));
  }
}

TEST(StoreFile, AfterAFailureItTriesAgainByItself) {
  SmallStore small;
  std::string notes;
  Result<StorePtr> store = open_store(small.spec, notes);
  {
    const FileSizeLimit limit(small.bytes.size());
    (void)(*store)->add(sample_of(6, "a"), false);
  }
  EXPECT_FALSE((*store)->write_status().ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  (void)(*store)->add(sample_of(7, "a"), false);
  EXPECT_TRUE((*store)->write_status().ok());
}

TEST(StoreFile, WhatAFailureLeftUnwrittenIsWrittenAtTheEnd) {
  SmallStore small;
  std::string notes;
  Result<StorePtr> store = open_store(small.spec, notes);
  {
    const FileSizeLimit limit(small.bytes.size());
    (void)(*store)->add(sample_of(6, "a"), false);
  }
  store->reset();
  store = open_store(small.spec, notes);
  EXPECT_EQ((*store)->samples().size(), 7u);
}

// Root may write everywhere, so the child is nobody. The log, open already, is appended to; no snapshot can be made.
TEST(StoreFile, InAFolderThatBecameReadOnlyItGoesOnAppending) {
  const TemporaryFolder folder;
  ASSERT_EQ(chmod(folder.file("").c_str(), 0777), 0);
  const ReplayStoreSpec spec{.location = folder.file("s"),
                             .store_frames = true,
                             .reservoir = {.policy = ReplayPolicy::Fifo, .capacity = 5},
                             .holdout = {}};
  constexpr int kNoWay = 5;
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && setuid(65534) != 0) _exit(2);
    if (access(folder.file("").c_str(), W_OK | X_OK) != 0) _exit(kNoWay);
    std::string notes;
    Result<StorePtr> store = open_store(spec, notes);
    if (!store.ok() || chmod(spec.location.c_str(), 0555) != 0) _exit(3);
    for (uint64_t i = 0; i < 150; ++i) (void)(*store)->add(sample_of(i, "a", picture_of(i, 60, 60)), false);
    const bool good = (*store)->write_status().ok() && notes.find("cannot be shortened") != std::string::npos;
    _exit(good ? 0 : 4);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoWay) GTEST_SKIP() << "a folder above " << folder.file("") << " is closed to nobody";
  ASSERT_EQ(WEXITSTATUS(status), 0);
  ASSERT_EQ(chmod(spec.location.c_str(), 0777), 0);
  std::string notes;
  const Result<StorePtr> store = open_store(spec, notes);
  ASSERT_TRUE(store.ok()) << to_string(store.error());
  ASSERT_EQ((*store)->samples().size(), 5u);
  EXPECT_EQ((*store)->samples().back()->key, sample_of(149, "").key);
}

TEST(StoreFile, WhatAKilledSnapshotLeftIsRemoved) {
  const SmallStore small;
  write_text(small.path() + ".123-0.part", "half a snapshot");
  std::string notes;
  EXPECT_TRUE(open_store(small.spec, notes).ok());
  EXPECT_FALSE(std::filesystem::exists(small.path() + ".123-0.part"));
}

constexpr size_t kKillCapacity = 12;
constexpr int kKillSide = 120;  // 43 kB: a write that a kill can meet, and a snapshot each 24 or so

Sample kill_sample(uint64_t number) { return sample_of(number, "a", picture_of(number, kKillSide, kKillSide)); }

// Adds samples from `first` on and says after each that it is stored, until it is killed.
[[noreturn]] void add_for_ever(const ReplayStoreSpec& spec, uint64_t first, int said) {
  std::string notes;
  const Result<StorePtr> store = open_store(spec, notes);
  if (!store.ok()) _exit(1);
  for (uint64_t number = first;; ++number) {
    if ((*store)->add(kill_sample(number), false)->fate != SampleFate::Stored) _exit(2);
    if (write(said, &number, sizeof number) != sizeof number) _exit(3);
  }
}

// Of a child that is killed `after_us` after its first word: the last number that it said, or `first` - 1.
uint64_t last_said_before_kill(const ReplayStoreSpec& spec, uint64_t first, unsigned after_us) {
  int pipe_ends[2];
  EXPECT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(pipe_ends[0]);
    add_for_ever(spec, first, pipe_ends[1]);
  }
  close(pipe_ends[1]);
  uint64_t last = first - 1, number = 0;
  if (read(pipe_ends[0], &number, sizeof number) == sizeof number) last = number;
  usleep(after_us);
  EXPECT_EQ(kill(child, SIGKILL), 0);
  while (read(pipe_ends[0], &number, sizeof number) == sizeof number) last = number;
  close(pipe_ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);
  return last;
}

int kills_wanted() {
  const char* text = std::getenv("RESNETFT_STORE_KILLS");
  return text ? std::atoi(text) : 20;
}

// kill -9 at random moments: in a write, in a snapshot, between. Each time all that was said to be stored is there,
// and at most the one sample more that was being written.
TEST(StoreKill, LosesAtMostTheSampleBeingWritten) {
  const TemporaryFolder folder;
  const ReplayStoreSpec spec{.location = folder.file("s"),
                             .store_frames = true,
                             .reservoir = {.policy = ReplayPolicy::Fifo, .capacity = kKillCapacity},
                             .holdout = {.fraction = 0}};
  std::mt19937 random(17);
  uint64_t next = 1;
  for (int round = 0; round < kills_wanted(); ++round) {
    const uint64_t said = last_said_before_kill(spec, next, random() % 60'000);
    std::string notes;
    const Result<StorePtr> store = open_store(spec, notes);
    ASSERT_TRUE(store.ok()) << to_string(store.error());
    const auto samples = (*store)->samples();
    ASSERT_FALSE(samples.empty());
    const uint64_t last = samples.back()->id;
    ASSERT_TRUE(last == said || last == said + 1) << "said " << said << ", found " << last;
    ASSERT_EQ(samples.size(), std::min<uint64_t>(last, kKillCapacity));
    for (const auto& sample : samples) {
      Sample expected = kill_sample(sample->id);
      expected.id = sample->id;
      expected.block = sample->block;
      EXPECT_TRUE(equal_words(*sample, expected));
      EXPECT_TRUE(equal_pictures(sample->picture, expected.picture));
    }
    next = last + 1;
  }
  RecordProperty("samples", static_cast<int>(next - 1));
}

}  // namespace
}  // namespace resnetft
