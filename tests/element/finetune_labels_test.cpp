// SPDX-License-Identifier: MIT
// Where the labels of resnetfinetune come from, and which frames they hold for.
#include <algorithm>
#include <set>

#include "finetune_harness.h"

namespace resnetft::testing {
namespace {

class FinetuneLabels : public FinetuneTest {
 protected:
  // As above, and no run begins.
  Properties collecting(Properties more = {}) {
    more.emplace_back("train", "manual");
    more.emplace_back("instant-head", "off");
    return properties(more);
  }
};

void label_from_pad(FinetuneHarness& harness, const char* label) {
  ASSERT_TRUE(gst_harness_push_event(harness.get(), label_event(label)));
}

uint64_t frame_index(const BusMessage& message) {
  return gst_util_uint64_scale_round(uint64_field(message.fields.get(), "running-time"), 30, GST_SECOND);
}

std::string label_of_sample(const BusMessage& message) { return text_field(message.fields.get(), "label"); }
std::string source_of_sample(const BusMessage& message) { return text_field(message.fields.get(), "source"); }

// Leaves the learner time to take the frame.
void push(FinetuneHarness& harness, bool warm, int count) {
  for (int i = 0; i < count; ++i) ASSERT_TRUE(harness.frame(warm));
}

// What is stored of the frames that were pushed.
std::vector<BusMessage> stored_samples(FinetuneHarness& harness, size_t count) {
  std::vector<BusMessage> stored;
  wait_until([&] {
    for (BusMessage& message : harness.events("sample-stored")) stored.push_back(std::move(message));
    return stored.size() >= count;
  });
  return stored;
}

GstSample* raw_sample(const Color& color) {
  GstBuffer* buffer = rgb_frame(color, 32, 32, 0);
  GstCaps* caps = gst_caps_from_string(rgb_caps(32, 32).c_str());
  GstSample* sample = gst_sample_new(buffer, caps, nullptr, nullptr);
  gst_buffer_unref(buffer);
  gst_caps_unref(caps);
  return sample;
}

bool add_sample(FinetuneHarness& harness, const Color& color, const char* label) {
  GstSample* sample = raw_sample(color);
  gboolean accepted = FALSE;
  g_signal_emit_by_name(harness.element(), "add-sample", sample, label, &accepted);
  gst_sample_unref(sample);
  return accepted;
}

guint label_range(FinetuneHarness& harness, const char* label, guint64 from, guint64 to) {
  guint count = 0;
  g_signal_emit_by_name(harness.element(), "label-range", label, from, to, &count);
  return count;
}

size_t warnings_of(FinetuneHarness& harness) {
  const std::vector<BusMessage> messages = harness.messages();
  return static_cast<size_t>(std::ranges::count(messages, GST_MESSAGE_WARNING, &BusMessage::type));
}

}  // namespace

TEST_F(FinetuneLabels, ThePropertyLabelsFramesWhileItIsSet) {
  FinetuneHarness harness(collecting());
  push(harness, true, 3);
  harness.set("label", "warm");
  const uint64_t first = harness.next_index();
  push(harness, true, 3);
  const std::vector<BusMessage> stored = stored_samples(harness, 3);
  ASSERT_EQ(stored.size(), 3U);
  for (const BusMessage& message : stored) {
    EXPECT_EQ(label_of_sample(message), "warm");
    EXPECT_EQ(source_of_sample(message), "property");
    EXPECT_EQ(text_field(message.fields.get(), "fate"), "stored");
    EXPECT_GE(frame_index(message), first);
  }
  g_object_set(harness.element(), "label", nullptr, nullptr);
  push(harness, true, 5);
  harness.set("label", "next");
  push(harness, true, 1);
  const std::vector<BusMessage> next = stored_samples(harness, 1);
  ASSERT_EQ(next.size(), 1U);
  EXPECT_EQ(label_of_sample(next[0]), "next");
}

// Frames 3 to 5 are a, 6 to 8 are b, the others nothing.
TEST_F(FinetuneLabels, AnEventInTheStreamIsExactToTheFrame) {
  FinetuneHarness harness(collecting());
  push(harness, true, 3);
  label_from_pad(harness, "a");
  push(harness, true, 3);
  label_from_pad(harness, "b");
  push(harness, false, 3);
  label_from_pad(harness, nullptr);
  push(harness, false, 3);
  const std::vector<BusMessage> stored = stored_samples(harness, 6);
  ASSERT_EQ(stored.size(), 6U);
  for (const BusMessage& message : stored) {
    const uint64_t index = frame_index(message);
    EXPECT_EQ(label_of_sample(message), index >= 3 && index < 6   ? "a"
                                        : index >= 6 && index < 9 ? "b"
                                                                  : "<none>")
        << index;
    EXPECT_EQ(source_of_sample(message), "event");
  }
}

TEST_F(FinetuneLabels, AnEventIsForwarded) {
  FinetuneHarness harness(collecting());
  label_from_pad(harness, "a");
  gst_element_send_event(harness.element(), label_event("b"));
  harness.frame(true);
  std::string heard;
  while (GstEvent* event = gst_harness_try_pull_event(harness.get())) {
    if (gst_event_has_name(event, "resnet-label")) heard += text_field(gst_event_get_structure(event), "label");
    gst_event_unref(event);
  }
  EXPECT_EQ(heard, "ab");
}

TEST_F(FinetuneLabels, AnEventWinsOverTheProperty) {
  FinetuneHarness harness(collecting({{"label", "property"}}));
  label_from_pad(harness, "event");
  push(harness, true, 1);
  label_from_pad(harness, "");
  push(harness, true, 1);
  const std::vector<BusMessage> stored = stored_samples(harness, 2);
  ASSERT_EQ(stored.size(), 2U);
  EXPECT_EQ(label_of_sample(stored[0]), "event");
  EXPECT_EQ(label_of_sample(stored[1]), "property");
}

TEST_F(FinetuneLabels, ASourceThatIsNotNamedIsNotHeard) {
  FinetuneHarness harness(collecting({{"label", "property"}, {"label-source", "event"}}));
  push(harness, true, 3);
  label_from_pad(harness, "event");
  push(harness, true, 2);
  const std::vector<BusMessage> stored = stored_samples(harness, 2);
  ASSERT_EQ(stored.size(), 2U);
  for (const BusMessage& message : stored) EXPECT_EQ(label_of_sample(message), "event");
}

// In PAUSED the streaming thread waits in the sink with the stream's lock held.
TEST_F(FinetuneLabels, AnEventSentToThePausedElementReturnsAtOnceAndHoldsForTheNextFrame) {
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(
      ("videotestsrc num-buffers=200 ! video/x-raw, format=RGB, width=32, height=32, framerate=100/1 ! "
       "resnetfinetune name=f train=manual instant-head=off sample-interval=1 model-instance-id=paused "
       "base-model-file=" +
       color_file() + " ! fakesink sync=true")
          .c_str(),
      &error);
  ASSERT_EQ(error, nullptr);
  GstElement* element = gst_bin_get_by_name(GST_BIN(pipeline), "f");
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  ASSERT_EQ(gst_element_get_state(pipeline, nullptr, nullptr, kHangGuard_ns), GST_STATE_CHANGE_SUCCESS);
  EXPECT_TRUE(gst_element_send_event(element, label_event("sent")));  // would wait for ever if it waited for a frame
  EXPECT_EQ(samples_of(element, "sent"), 0U);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  EXPECT_TRUE(wait_until([&] { return samples_of(element, "sent") > 0; }));
  gst_element_set_state(pipeline, GST_STATE_NULL);
  EXPECT_FALSE(gst_element_send_event(element, label_event("late")));
  gst_object_unref(element);
  gst_object_unref(pipeline);
}

TEST_F(FinetuneLabels, ARegionIsLabelledByItsTypeAndNeverByAClassification) {
  FinetuneHarness harness(collecting({{"label-source", "roi"}}), rgb_caps(64, 32));
  const auto frame = [&] {
    GstBuffer* buffer = rgb_frame(kRed, 64, 32, harness.next_index());
    harness.skip_to(harness.next_index() + 1);
    gst_buffer_add_video_region_of_interest_meta_id(buffer, 0, 0, 0, 16, 16);  // no type
    GstVideoRegionOfInterestMeta* cup = gst_buffer_add_video_region_of_interest_meta(buffer, "cup", 16, 0, 16, 16);
    for (GstVideoRegionOfInterestMeta* roi : {cup})
      gst_video_region_of_interest_meta_add_param(
          roi, gst_structure_new("classification", "label", G_TYPE_STRING, "guess", nullptr));
    gst_buffer_add_video_region_of_interest_meta(buffer, "hand", 32, 0, 16, 32);
    gst_buffer_unref(harness.process(buffer));
  };
  const std::vector<BusMessage> stored = harness.samples(6, frame);
  ASSERT_GE(stored.size(), 6U);
  std::set<std::string> seen;
  for (const BusMessage& message : stored) {
    EXPECT_EQ(source_of_sample(message), "roi");
    seen.insert(label_of_sample(message) + std::to_string(uint_field(message.fields.get(), "region")));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"cup2", "hand3"}));
}

TEST_F(FinetuneLabels, FramesThatPassedUnlabelledAreLabelledByTheirTimes) {
  FinetuneHarness harness(collecting());
  push(harness, true, 10);
  const uint64_t from = gst_util_uint64_scale(2, GST_SECOND, 30), to = gst_util_uint64_scale(7, GST_SECOND, 30);
  const guint count = label_range(harness, "late", from, to);
  EXPECT_EQ(count, 6U);
  EXPECT_TRUE(wait_until([&] { return samples_of(harness.element(), "late") == count; }));
  for (const BusMessage& message : harness.events("sample-stored")) {
    EXPECT_EQ(source_of_sample(message), "range");
    EXPECT_GE(frame_index(message), 2U);
    EXPECT_LE(frame_index(message), 7U);
  }
}

TEST_F(FinetuneLabels, EachSourceIsRecordedAndALaterRangeLeavesRegionsAlone) {
  FinetuneHarness harness(collecting({{"label-source", "property+event+roi"}}));
  push(harness, true, 3);
  harness.set("label", "p");
  push(harness, true, 2);
  label_from_pad(harness, "e");
  for (const Color& color : {kRed, kGreen}) {
    GstBuffer* buffer = rgb_frame(color, 32, 32, harness.next_index());
    harness.skip_to(harness.next_index() + 1);
    gst_buffer_add_video_region_of_interest_meta(buffer, "cup", 0, 0, 16, 16);
    gst_buffer_unref(harness.process(buffer));
  }
  ASSERT_TRUE(add_sample(harness, kBlue, "given"));
  std::multiset<std::string> sources;
  for (const BusMessage& message : stored_samples(harness, 7))
    sources.insert(source_of_sample(message) + " " + label_of_sample(message));
  EXPECT_EQ(sources, (std::multiset<std::string>{"property p", "property p", "event e", "event e", "roi cup", "roi cup",
                                                 "added given"}));
  EXPECT_EQ(label_range(harness, "late", 0, GST_SECOND), 7U);
  const std::vector<BusMessage> later = stored_samples(harness, 7);
  EXPECT_EQ(later.size(), 7U);
  for (const BusMessage& message : later)
    EXPECT_EQ(source_of_sample(message) + " " + label_of_sample(message), "range late");
  EXPECT_EQ(samples_of(harness.element(), "cup"), 2U);
  EXPECT_EQ(samples_of(harness.element(), "late"), 7U);
}

TEST_F(FinetuneLabels, AnAddedSampleHasALabelAndNoPlaceInTheStream) {
  FinetuneHarness harness(collecting());
  ASSERT_TRUE(add_sample(harness, kRed, "given"));
  const std::optional<BusMessage> stored = harness.wait_for("sample-stored");
  ASSERT_TRUE(stored);
  EXPECT_EQ(label_of_sample(*stored), "given");
  EXPECT_EQ(source_of_sample(*stored), "added");
  EXPECT_FALSE(gst_structure_has_field(stored->fields.get(), "stream-id"));
}

TEST_F(FinetuneLabels, WhatIsNoSampleOrNoLabelIsRefusedWithAWarningEach) {
  FinetuneHarness harness(collecting());
  gboolean accepted = TRUE;
  g_signal_emit_by_name(harness.element(), "add-sample", nullptr, "x", &accepted);
  EXPECT_FALSE(accepted);
  EXPECT_FALSE(add_sample(harness, kRed, ""));
  EXPECT_EQ(label_range(harness, "", 0, 1), 0U);
  EXPECT_EQ(warnings_of(harness), 3U);
}

// An event cannot hold such a text: GStreamer leaves the field out.
TEST_F(FinetuneLabels, ALabelThatIsNotUtf8IsRefusedWithAWarningEach) {
  FinetuneHarness harness(collecting({{"label", "kept"}}));
  constexpr const char* kLatin1 =
      "Gr\xf6\xdf"
      "e";
  g_object_set(harness.element(), "label", kLatin1, nullptr);
  gchar* label = nullptr;
  g_object_get(harness.element(), "label", &label, nullptr);
  EXPECT_STREQ(label, "kept");
  g_free(label);
  EXPECT_FALSE(add_sample(harness, kRed, kLatin1));
  EXPECT_EQ(label_range(harness, kLatin1, 0, GST_SECOND), 0U);
  EXPECT_EQ(warnings_of(harness), 3U);
}

TEST_F(FinetuneLabels, AnyTextIsALabel) {
  FinetuneHarness harness(collecting());
  for (const std::string& label : {std::string("two words"), std::string("\"quoted\", 'and' {braced}; \\"),
                                   std::string("Größe ✋ 手"), std::string(10240, 'x')}) {
    harness.set("label", "");
    g_object_set(harness.element(), "label", label.c_str(), nullptr);
    push(harness, true, 1);
    const std::vector<BusMessage> stored = stored_samples(harness, 1);
    ASSERT_EQ(stored.size(), 1U) << label.substr(0, 40);
    EXPECT_EQ(label_of_sample(stored[0]), label);
    EXPECT_EQ(samples_of(harness.element(), label), 1U);
  }
}

TEST_F(FinetuneLabels, ALabelNeverSeenIsRefusedUnlessNewClassesAreAllowed) {
  FinetuneHarness harness(collecting({{"label", "first"}}));
  ASSERT_FALSE(harness.samples(1, [&] { harness.frame(true); }).empty());
  harness.set("allow-new-classes", "false");
  harness.set("label", "second");
  push(harness, true, 10);
  EXPECT_TRUE(wait_until([&] {
    GstStructure* samples = nullptr;
    g_object_get(harness.element(), "samples-per-class", &samples, nullptr);
    const StructurePtr counts(samples);
    return uint64_field(counts.get(), "labels-refused") == 10;
  }));
  EXPECT_EQ(samples_of(harness.element(), "second"), 0U);
  harness.set("allow-new-classes", "true");
  EXPECT_TRUE(wait_until([&] {
    harness.frame(true);
    return samples_of(harness.element(), "second") > 0;
  }));
}

}  // namespace resnetft::testing
