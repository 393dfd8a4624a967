// SPDX-License-Identifier: MIT
#include "live/label_track.h"

#include <gtest/gtest.h>

namespace resnetft {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

HeldLabel event(const std::string& label) { return {label, LabelSource::Event}; }
HeldLabel property(const std::string& label) { return {label, LabelSource::Property}; }

TEST(LabelTrack, HoldsNothingUntilSomethingIsSet) {
  LabelTrack track;
  track.start_stream("s");
  EXPECT_EQ(track.frame(0).held, HeldLabel());
}

TEST(LabelTrack, AnEventWinsOverThePropertyUntilItEnds) {
  LabelTrack track;
  track.start_stream("s");
  track.set_property("cat");
  EXPECT_EQ(track.frame(0).held, property("cat"));
  track.set_event("dog");
  EXPECT_EQ(track.frame(1).held, event("dog"));
  EXPECT_EQ(track.frame(2).held, event("dog"));
  track.set_event("");
  EXPECT_EQ(track.frame(3).held, property("cat"));
}

TEST(LabelTrack, SourcesThatAreNotAllowedDoNotCount) {
  LabelTrack track;
  track.allow({.property = true, .event = false, .roi = true});
  track.set_property("cat");
  track.set_event("dog");
  EXPECT_EQ(track.frame(0).held, property("cat"));
  EXPECT_EQ(track.region("bird"), (HeldLabel{"bird", LabelSource::Roi}));
  track.allow({.property = true, .event = true, .roi = false});
  EXPECT_EQ(track.region("bird"), HeldLabel());
}

TEST(LabelTrack, AChangeTakesEffectWithTheNextFrameAndPastInstantsKeepTheirs) {
  LabelTrack track;
  track.start_stream("s");
  track.set_event("a");
  track.frame(1 * kSecond);
  track.set_event("b");
  track.frame(2 * kSecond);
  track.frame(3 * kSecond);
  EXPECT_EQ(track.at(kSecond - 1), HeldLabel());
  EXPECT_EQ(track.at(kSecond), event("a"));
  EXPECT_EQ(track.at(2 * kSecond - 1), event("a"));
  EXPECT_EQ(track.at(2 * kSecond), event("b"));
  EXPECT_EQ(track.at(9 * kSecond), event("b"));
}

TEST(LabelTrack, FlushEndsTheEventBeginsAnEpochAndKeepsTheProperty) {
  LabelTrack track(7);
  track.start_stream("s");
  track.set_property("p");
  track.set_event("e");
  EXPECT_EQ(track.frame(kSecond).key, (SampleKey{"s", 8, kSecond}));
  track.flush();
  const LabelTrack::Frame frame = track.frame(kSecond);
  EXPECT_EQ(frame.key, (SampleKey{"s", 9, kSecond}));
  EXPECT_EQ(frame.held, property("p"));
  track.set_event("e");
  track.start_stream("t");
  EXPECT_EQ(track.at(kSecond), HeldLabel());
  EXPECT_EQ(track.frame(0).key, (SampleKey{"t", 10, 0}));
}

TEST(LabelTrack, NoTwoFramesShareAKeyWhenTimesRepeatOrAreMissing) {
  LabelTrack track;
  EXPECT_EQ(track.frame(5).key.running_time_ns, 5u);
  EXPECT_EQ(track.frame(5).key.running_time_ns, 6u);
  EXPECT_EQ(track.frame(5).key.running_time_ns, 7u);
  EXPECT_EQ(track.frame({}).key.running_time_ns, 8u);
  EXPECT_EQ(track.frame(6).key.running_time_ns, 9u);
  EXPECT_EQ(track.epoch(), 0u);
}

TEST(LabelTrack, ATimeThatJumpsBackBeginsAnEpochAndTheEventStays) {
  LabelTrack track;
  track.set_event("e");
  track.frame(9);
  const LabelTrack::Frame frame = track.frame(3);
  EXPECT_EQ(frame.key, (SampleKey{"", 1, 3}));
  EXPECT_EQ(frame.held, event("e"));
}

TEST(LabelTrack, AStreamThatComesBackGoesOnWithTheEventInTheSameEpoch) {
  LabelTrack track;
  EXPECT_TRUE(track.start_stream("a"));
  track.frame(10);
  EXPECT_TRUE(track.start_stream("b"));
  track.set_event("e");
  EXPECT_EQ(track.frame(9).key, (SampleKey{"b", 2, 9}));
  EXPECT_FALSE(track.start_stream("a"));
  EXPECT_EQ(track.frame(20).key, (SampleKey{"a", 2, 20}));
  EXPECT_FALSE(track.start_stream("b"));
  const LabelTrack::Frame behind = track.frame(11);
  EXPECT_EQ(behind.key, (SampleKey{"b", 2, 11}));
  EXPECT_EQ(behind.held, event("e"));
  track.flush();
  EXPECT_TRUE(track.start_stream("a"));
}

TEST(LabelTrack, OfManyStreamsTheOneThatBeganLongestAgoIsForgotten) {
  LabelTrack track;
  const auto name = [](size_t i) { return "stream " + std::to_string(i); };
  for (size_t i = 0; i < LabelTrack::kStreamsKept; ++i) EXPECT_TRUE(track.start_stream(name(i)));
  EXPECT_FALSE(track.start_stream(name(0)));
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(track.start_stream("new " + std::to_string(i)));
  EXPECT_TRUE(track.knows(name(0)));
  for (size_t i = 1; i <= 3; ++i) EXPECT_FALSE(track.knows(name(i))) << i;
  EXPECT_TRUE(track.knows(name(4)));
  const uint64_t epoch = track.epoch();
  EXPECT_TRUE(track.start_stream(name(1)));
  EXPECT_EQ(track.frame(0).key, (SampleKey{name(1), epoch + 1, 0}));
}

TEST(LabelTrack, LabelRangeAndAnswerReplaceAnyLabelAndOthersOnlyWeakerOnes) {
  for (const LabelSource late : {LabelSource::Range, LabelSource::Answer})
    for (const LabelSource earlier :
         {LabelSource::Property, LabelSource::Event, LabelSource::Roi, LabelSource::Range, LabelSource::Answer})
      EXPECT_TRUE(replaces(earlier, late));
  EXPECT_TRUE(replaces(LabelSource::Property, LabelSource::Event));
  EXPECT_FALSE(replaces(LabelSource::Event, LabelSource::Property));
  EXPECT_FALSE(replaces(LabelSource::Answer, LabelSource::Roi));
}

TEST(LabelTrack, KeepsABoundedHistory) {
  LabelTrack track;
  for (uint64_t i = 0; i < 2 * LabelTrack::kChangesKept; ++i) {
    track.set_event(i % 2 == 0 ? "a" : "b");
    track.frame(i);
  }
  EXPECT_EQ(track.at(LabelTrack::kChangesKept - 1), HeldLabel());
  EXPECT_EQ(track.at(LabelTrack::kChangesKept), event("a"));
}

}  // namespace
}  // namespace resnetft
