// SPDX-License-Identifier: MIT
// That a frame of the stream allocates nothing. A program of its own, because it replaces operator new.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "live/candidate_ring.h"
#include "tests/support/picture.h"

namespace {

std::atomic<size_t> allocations{0};

void* allocate(size_t size, size_t alignment) {
  ++allocations;
  void* memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(size_t size, std::align_val_t alignment) { return allocate(size, static_cast<size_t>(alignment)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }

namespace resnetft {
namespace {

// Names beyond what a std::string holds in itself; the ring wraps five times.
TEST(CandidateRingMemory, PutAllocatesNothingOnceEverySlotWasUsed) {
  CandidateRing ring(ring_spec_for({}, uint64_t{8} * 252 * 252 * 3, 1'000'000'000));
  const testing::Picture frame = testing::make_picture(PixelFormat::Nv12, 640, 360);
  SampleKey key{.stream_id = "a stream whose name is longer than sixteen bytes", .epoch = 1, .running_time_ns = 0};
  const Place place{"a timeline whose name is longer than sixteen bytes", 0};
  const HeldLabel none, held{"a label that is longer than sixteen bytes", LabelSource::Event};
  const auto put = [&](const HeldLabel& label) {
    key.running_time_ns += 33'000'000;
    return ring.put(frame.view, key, place, label);
  };
  for (int i = 0; i < 16; ++i) {
    ASSERT_EQ(*put(held), CandidateRing::Put::Kept);
    ring.take_labelled();
  }
  for (int i = 0; i < 40; ++i) {
    const size_t before = allocations;
    const Result<CandidateRing::Put> result = put(i % 2 == 0 ? held : none);
    EXPECT_EQ(allocations, before);
    EXPECT_EQ(*result, CandidateRing::Put::Kept);
    ring.take_labelled();
  }
}

}  // namespace
}  // namespace resnetft
