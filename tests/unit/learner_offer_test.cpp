// SPDX-License-Identifier: MIT
// The streaming thread beside a learner that works. Needs no LibTorch, so that ThreadSanitizer can watch.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/support/learner.h"

namespace resnetft {
namespace {

using testing::Events;
using testing::learner_spec;
using testing::SceneStream;
using testing::started;
using testing::TemporaryFolder;

TEST(LearnerOffer, LosesNoFrameUncountedWhileEverybodyElseAsksAndTells) {
  const TemporaryFolder folder;
  Events events;
  LearnerSpec spec = learner_spec(folder);
  spec.in_caller = false;
  spec.ring_bytes = 40 * 36 * 36 * 3;
  const auto learner = started(spec, events);
  constexpr uint64_t kFrames = 400;
  std::atomic<bool> done = false;
  std::thread others([&] {
    while (!done) {
      learner->label_range("late", 0, 5 * testing::kSecond_ns);
      learner->set_rules(spec.rules);
      (void)learner->status();
      learner->rollback();
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  });
  SceneStream stream;
  for (uint64_t i = 0; i < kFrames; ++i) stream.offer(*learner, stream.label());
  done = true;
  others.join();
  ASSERT_TRUE(learner->finish({}));
  const LearnerStatus status = learner->status();
  uint64_t stored = 0;
  for (const SampleStored& sample : events.of<SampleStored>()) stored += sample.source == LabelSource::Event;
  EXPECT_EQ(stored + status.frames_without_slot, kFrames);
  EXPECT_GT(stored, 0u);
  learner->stop();
}

// The learner's thread, of idle priority, is put aside again and again meanwhile.
TEST(LearnerOffer, ABurstThatTheRingCanHoldIsStoredWhole) {
  const TemporaryFolder folder;
  Events events;
  LearnerSpec spec = learner_spec(folder);
  spec.in_caller = false;
  constexpr uint64_t kFrames = 400;
  spec.ring_bytes = kFrames * 36 * 36 * 3;
  const auto learner = started(spec, events);
  SceneStream stream;
  for (uint64_t i = 0; i < kFrames; ++i) stream.offer(*learner, stream.label());
  ASSERT_TRUE(learner->finish({}));
  EXPECT_EQ(events.of<SampleStored>().size(), kFrames);
  EXPECT_EQ(learner->status().frames_without_slot, 0u);
  learner->stop();
}

}  // namespace
}  // namespace resnetft
