// SPDX-License-Identifier: MIT
#include "live/candidate_ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/picture.h"
#include "tests/support/samples.h"

namespace resnetft {
namespace {

using testing::kSecond_ns;

constexpr PreprocessSpec kModel{.mode = ResizeMode::Stretch, .crop_width = 32, .crop_height = 32};
constexpr uint64_t kSlotBytes = 36 * 36 * 3;

CandidateRingSpec spec_of(size_t slots, uint64_t max_time_ns = 30 * kSecond_ns) {
  return ring_spec_for(kModel, slots * kSlotBytes, max_time_ns);
}

SampleKey key_at(uint64_t time_ns, uint64_t epoch = 1) { return {"s", epoch, time_ns, 0}; }

// A frame of one gray, so that a picture shows which frame it is of.
testing::Picture gray(uint8_t level) {
  testing::Picture frame = testing::make_picture(PixelFormat::Gray8, 64, 64);
  std::ranges::fill(frame.planes[0], level);
  return frame;
}

CandidateRing::Put put(CandidateRing& ring, uint8_t level, const SampleKey& key, const std::string& label = "") {
  const HeldLabel held{label, label.empty() ? LabelSource::None : LabelSource::Event};
  const Result<CandidateRing::Put> result = ring.put(gray(level).view, key, {"s", key.running_time_ns}, held);
  EXPECT_TRUE(result.ok());
  return *result;
}

std::vector<int> levels(const std::vector<Candidate>& candidates) {
  std::vector<int> levels;
  for (const Candidate& candidate : candidates) levels.push_back(candidate.picture->rgb[0]);
  return levels;
}

TEST(CandidateRing, HasAsManySlotsAsFitItsBytesAndAtLeastTwo) {
  EXPECT_EQ(CandidateRing(spec_of(7)).slots(), 7u);
  EXPECT_EQ(CandidateRing(ring_spec_for(kModel, 0, kSecond_ns)).slots(), 2u);
}

TEST(CandidateRing, GivesBackWhatWasPutIn) {
  CandidateRing ring(spec_of(4));
  const SampleKey key{"stream", 3, 17, 2};
  ASSERT_EQ(*ring.put(gray(90).view, key, {"clip", 5}, {"cat", LabelSource::Roi}), CandidateRing::Put::Kept);
  const std::optional<Candidate> found = ring.find(key);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->key, key);
  EXPECT_EQ(found->place.timeline, "clip");
  EXPECT_EQ(found->place.time_ns, 5u);
  EXPECT_EQ(found->held, (HeldLabel{"cat", LabelSource::Roi}));
  EXPECT_EQ(found->picture->width, 36);
  EXPECT_EQ(found->picture->height, 36);
  EXPECT_EQ(found->picture->rgb, std::vector<uint8_t>(kSlotBytes, 90));
  EXPECT_FALSE(ring.find({"stream", 3, 17, 1}));
}

TEST(CandidateRing, TheOldestGoes) {
  CandidateRing ring(spec_of(3));
  for (uint8_t i = 0; i < 5; ++i) put(ring, i, key_at(i));
  EXPECT_EQ(levels(ring.between(0, 100)), (std::vector<int>{2, 3, 4}));
  EXPECT_EQ(levels(ring.between(3, 3)), std::vector<int>{3});
}

TEST(CandidateRing, ForgetsWhatIsOlderThanItsTime) {
  CandidateRing ring(spec_of(10, 5));
  for (const uint8_t time : {0, 1, 5, 6, 7}) put(ring, time, key_at(time));
  EXPECT_EQ(levels(ring.between(0, 100)), (std::vector<int>{5, 6, 7}));
  put(ring, 50, key_at(0, 2));
  EXPECT_TRUE(ring.find(key_at(7)));  // of the epoch before: no time has passed since
  put(ring, 56, key_at(6, 2));
  EXPECT_FALSE(ring.find(key_at(7)));
}

TEST(CandidateRing, BetweenAddressesTheNewestEpochOfAllStreams) {
  CandidateRing ring(spec_of(10));
  put(ring, 1, key_at(10, 1));
  put(ring, 2, key_at(10, 2));
  EXPECT_EQ(levels(ring.between(0, 100)), std::vector<int>{2});
  put(ring, 3, {"other", 2, 10, 0});
  EXPECT_EQ(levels(ring.between(0, 100)), (std::vector<int>{2, 3}));
}

TEST(CandidateRing, AStreamThatLagsBehindAnotherDoesNotHastenForgetting) {
  CandidateRing ring(spec_of(10, 10));
  for (uint8_t i = 0; i < 5; ++i) {
    put(ring, i, {"ahead", 1, 20u + i, 0});
    put(ring, static_cast<uint8_t>(i + 5), {"behind", 1, i, 0});
  }
  EXPECT_EQ(ring.between(0, 100).size(), 10u);
}

TEST(CandidateRing, LabelledOnesAreTakenOnceAndStay) {
  CandidateRing ring(spec_of(10));
  put(ring, 1, key_at(1), "a");
  put(ring, 2, key_at(2));
  put(ring, 3, key_at(3), "b");
  EXPECT_EQ(levels(ring.take_labelled()), (std::vector<int>{1, 3}));
  EXPECT_TRUE(ring.take_labelled().empty());
  EXPECT_EQ(ring.between(0, 10).size(), 3u);
}

TEST(CandidateRing, ClearForgetsAllButWhatWaitsToBeTaken) {
  CandidateRing ring(spec_of(3));
  put(ring, 1, key_at(1), "a");
  put(ring, 2, key_at(2));
  ring.clear();
  EXPECT_TRUE(ring.between(0, 10).empty());
  EXPECT_FALSE(ring.find(key_at(1)));
  EXPECT_EQ(levels(ring.take_labelled()), std::vector<int>{1});
  for (uint8_t i = 5; i < 8; ++i) EXPECT_EQ(put(ring, i, key_at(i)), CandidateRing::Put::Kept);
}

TEST(CandidateRing, ALabelledCandidateIsNotOverwrittenBeforeItWasTaken) {
  CandidateRing ring(spec_of(2));
  put(ring, 1, key_at(1), "a");
  put(ring, 2, key_at(2), "a");
  EXPECT_EQ(put(ring, 3, key_at(3), "a"), CandidateRing::Put::NoSlot);
  EXPECT_EQ(ring.without_slot(), 1u);
  EXPECT_EQ(levels(ring.take_labelled()), (std::vector<int>{1, 2}));
  EXPECT_EQ(put(ring, 4, key_at(4), "a"), CandidateRing::Put::Kept);
}

TEST(CandidateRing, ASlotInSomebodysHandsIsNotOverwritten) {
  CandidateRing ring(spec_of(2));
  put(ring, 1, key_at(1));
  std::optional<Candidate> held = ring.find(key_at(1));
  SmallPicturePtr again = held->picture;
  for (uint8_t i = 2; i < 9; ++i) EXPECT_EQ(put(ring, i, key_at(i)), CandidateRing::Put::Kept);
  EXPECT_EQ(held->picture->rgb, std::vector<uint8_t>(kSlotBytes, 1));
  std::vector<Candidate> rest = ring.between(8, 8);
  EXPECT_EQ(put(ring, 9, key_at(9)), CandidateRing::Put::NoSlot);
  EXPECT_EQ(ring.without_slot(), 1u);
  held.reset();
  EXPECT_EQ(put(ring, 10, key_at(10)), CandidateRing::Put::NoSlot);  // one more pointer to it
  again.reset();
  EXPECT_EQ(put(ring, 11, key_at(11)), CandidateRing::Put::Kept);
  EXPECT_EQ(levels(rest), std::vector<int>{8});
}

TEST(CandidateRing, PicturesOutliveTheRing) {
  auto ring = std::make_unique<CandidateRing>(spec_of(2));
  put(*ring, 77, key_at(1));
  const std::optional<Candidate> held = ring->find(key_at(1));
  ring.reset();
  EXPECT_EQ(held->picture->rgb, std::vector<uint8_t>(kSlotBytes, 77));
}

TEST(CandidateRing, AFrameThatCannotBeReducedIsAnErrorAndCostsNoSlot) {
  CandidateRing ring(spec_of(2));
  put(ring, 1, key_at(1));
  for (uint64_t time = 2; time < 6; ++time)
    EXPECT_EQ(ring.put(ImageView{}, key_at(time), {}, {}).error().code, ErrorCode::InvalidArgument);
  put(ring, 7, key_at(7));
  put(ring, 8, key_at(8));
  EXPECT_EQ(levels(ring.between(0, 10)), (std::vector<int>{7, 8}));
}

// Every picture that a reader sees is of one gray and of the frame that its key names, to the end of its hold; what put
// said was kept, and nothing else, is taken, once.
TEST(CandidateRing, OneWriterAndTwoReadersSeeWholePicturesInTheirOrder) {
  constexpr uint64_t kFrames = 3000;
  CandidateRing ring(spec_of(8));
  std::atomic<bool> done = false;
  std::atomic<uint64_t> wrong = 0;
  const auto look = [&](const Candidate& candidate) {
    const auto level = static_cast<uint8_t>(candidate.key.running_time_ns);
    wrong += !std::ranges::all_of(candidate.picture->rgb, [&](uint8_t byte) { return byte == level; });
  };
  std::vector<uint64_t> taken;
  std::thread taker([&] {
    for (bool last = false; !last;) {
      last = done;
      for (const Candidate& candidate : ring.take_labelled()) {
        look(candidate);
        taken.push_back(candidate.key.running_time_ns);
      }
    }
  });
  std::thread finder([&] {
    while (!done)
      for (const Candidate& candidate : ring.between(0, kFrames)) look(candidate);
  });
  std::set<uint64_t> labelled;
  uint64_t without_slot = 0;
  for (uint64_t i = 0; i < kFrames; ++i) {
    const CandidateRing::Put result = put(ring, static_cast<uint8_t>(i), key_at(i), i % 3 == 0 ? "a" : "");
    without_slot += result == CandidateRing::Put::NoSlot;
    if (result == CandidateRing::Put::Kept && i % 3 == 0) labelled.insert(i);
  }
  done = true;
  taker.join();
  finder.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(ring.without_slot(), without_slot);
  EXPECT_TRUE(std::ranges::equal(taken, labelled));
}

}  // namespace
}  // namespace resnetft
