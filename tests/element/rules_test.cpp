// SPDX-License-Identifier: MIT
// What GStreamer asks of an in-place element: QoS, latency, allocation, tags.
#include <algorithm>

#include "element_harness.h"

namespace resnetft::testing {
namespace {

using RulesTest = ElementTest;

void late_at(const ElementHarness& harness, uint64_t index, GstClockTimeDiff jitter) {
  gst_harness_push_upstream_event(harness.get(), gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5, jitter,
                                                                   gst_util_uint64_scale(index, GST_SECOND, 30)));
}

unsigned age_of(ElementHarness& harness, uint64_t index) {
  GstBuffer* out = harness.process(rgb_frame(kRed, 32, 32, index));
  const unsigned age = uint_field(classification_of(out), "age-frames");
  gst_buffer_unref(out);
  return age;
}

// The metas that the element proposes for its sink pad.
std::vector<GType> proposed_metas(const ElementHarness& harness) {
  GstCaps* caps = gst_caps_from_string(rgb_caps(32, 32).c_str());
  GstQuery* query = gst_query_new_allocation(caps, TRUE);
  gst_caps_unref(caps);
  EXPECT_TRUE(gst_pad_peer_query(harness.get()->srcpad, query));
  std::vector<GType> metas;
  for (guint i = 0; i < gst_query_get_n_allocation_metas(query); ++i)
    metas.push_back(gst_query_parse_nth_allocation_meta(query, i, nullptr));
  gst_query_unref(query);
  return metas;
}

}  // namespace

TEST_F(RulesTest, QosGoesUpstreamUnchanged) {
  ElementHarness harness({{"model-file", color_file()}});
  harness.label_of(kRed);
  while (GstEvent* event = gst_harness_try_pull_upstream_event(harness.get())) gst_event_unref(event);
  late_at(harness, 3, 5 * GST_MSECOND);
  GstEvent* event = gst_harness_try_pull_upstream_event(harness.get());
  ASSERT_NE(event, nullptr);
  ASSERT_EQ(GST_EVENT_TYPE(event), GST_EVENT_QOS);
  GstClockTimeDiff jitter = 0;
  GstClockTime running_time = 0;
  gst_event_parse_qos(event, nullptr, nullptr, &jitter, &running_time);
  EXPECT_EQ(jitter, 5 * GST_MSECOND);
  EXPECT_EQ(running_time, GST_SECOND / 10);
  gst_event_unref(event);
}

TEST_F(RulesTest, ALateFramePassesWithoutInferenceAndAMessageCountsIt) {
  ElementHarness harness({{"model-file", color_file()}});
  EXPECT_EQ(age_of(harness, 0), 0U);
  late_at(harness, 0, 50 * GST_MSECOND);  // frame 1 is at 33 ms, frame 2 at 67
  EXPECT_EQ(age_of(harness, 1), 1U);
  EXPECT_EQ(age_of(harness, 2), 0U);
  int skipped = 0;
  GstMessage* message = nullptr;
  GstBus* bus = gst_element_get_bus(harness.element());
  while ((message = gst_bus_pop_filtered(bus, GST_MESSAGE_QOS))) {
    guint64 processed = 0, dropped = 0;
    GstFormat format;
    gst_message_parse_qos_stats(message, &format, &processed, &dropped);
    EXPECT_EQ(processed, 1U);
    EXPECT_EQ(dropped, 1U);
    ++skipped;
    gst_message_unref(message);
  }
  gst_object_unref(bus);
  EXPECT_EQ(skipped, 1);
}

TEST_F(RulesTest, WithoutSkipLateALateFrameIsInferred) {
  ElementHarness harness({{"model-file", color_file()}, {"skip-late", "false"}});
  age_of(harness, 0);
  late_at(harness, 0, 50 * GST_MSECOND);
  EXPECT_EQ(age_of(harness, 1), 0U);
}

TEST_F(RulesTest, AFlushEndsLateness) {
  ElementHarness harness({{"model-file", color_file()}});
  age_of(harness, 0);
  late_at(harness, 0, GST_SECOND);
  gst_harness_push_event(harness.get(), gst_event_new_flush_start());
  gst_harness_push_event(harness.get(), gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(harness.get(), gst_event_new_segment(&segment));
  EXPECT_EQ(age_of(harness, 1), 0U);
}

TEST_F(RulesTest, LatencyIsThePeersPlusTheMeasured) {
  ElementHarness harness({{"model-file", save("slow.safetensors", color_model({.size = 128}))}});
  gst_harness_set_upstream_latency(harness.get(), 100 * GST_MSECOND);
  const GstClockTime before = gst_harness_query_latency(harness.get());
  EXPECT_GT(before, 101 * GST_MSECOND);  // from the warm-up
  for (int i = 0; i < 64; ++i) harness.label_of(kRed);
  const GstClockTime after = gst_harness_query_latency(harness.get());
  GstStructure* stats = nullptr;
  g_object_get(harness.element(), "stats", &stats, nullptr);
  const GstClockTime own = after - 100 * GST_MSECOND;
  EXPECT_GE(own, uint64_field(stats, "inference-p50"));
  EXPECT_LE(own, 4 * uint64_field(stats, "total-p95"));
  gst_structure_free(stats);
}

TEST_F(RulesTest, WhatIsDisabledAddsNoLatency) {
  ElementHarness harness({{"model-file", color_file()}, {"enabled", "false"}});
  gst_harness_set_upstream_latency(harness.get(), 100 * GST_MSECOND);
  harness.label_of(kRed);
  EXPECT_EQ(gst_harness_query_latency(harness.get()), 100 * GST_MSECOND);
}

// Where other work stalls the warm-up, the fast model may have announced what the slow one takes.
TEST_F(RulesTest, LatencyIsPostedAgainWhenItMoves) {
  const std::string slow = save("slow.safetensors", color_model({.size = 192}));
  std::ptrdiff_t posted = 0;
  for (int attempt = 0; attempt < 5 && posted != 1; ++attempt) {
    ElementHarness harness({{"model-file", color_file()}});
    gst_harness_query_latency(harness.get());
    gboolean accepted = FALSE;
    harness.messages();
    g_signal_emit_by_name(harness.element(), "load-model", slow.c_str(), &accepted);
    ASSERT_TRUE(harness.wait_for("model-changed"));
    harness.label_of(kRed);
    const std::vector<BusMessage> messages = harness.messages();
    posted = std::ranges::count(messages, GST_MESSAGE_LATENCY, &BusMessage::type);
  }
  EXPECT_EQ(posted, 1);
}

TEST_F(RulesTest, AllocationPromisesWhatDownstreamPromisesAndNoCrop) {
  ElementHarness nothing({{"model-file", color_file()}});
  nothing.label_of(kRed);
  EXPECT_TRUE(proposed_metas(nothing).empty());

  ElementHarness harness({{"model-file", color_file()}}, "");
  gst_harness_add_propose_allocation_meta(harness.get(), GST_VIDEO_META_API_TYPE, nullptr);
  gst_harness_add_propose_allocation_meta(harness.get(), GST_VIDEO_CROP_META_API_TYPE, nullptr);
  gst_harness_set_src_caps_str(harness.get(), rgb_caps(32, 32).c_str());
  harness.label_of(kRed);
  const std::vector<GType> metas = proposed_metas(harness);
  EXPECT_EQ(std::ranges::count(metas, GST_VIDEO_META_API_TYPE), 1);
  EXPECT_EQ(std::ranges::count(metas, GST_VIDEO_CROP_META_API_TYPE), 0);
}

TEST_F(RulesTest, APaddedFrameIsReadByItsVideoMeta) {
  ElementHarness harness({{"model-file", color_file()}}, rgb_caps(5, 3));
  constexpr gsize kOffset = 7, kStride = 100;
  GstBuffer* frame = gst_buffer_new_allocate(nullptr, kOffset + 3 * kStride, nullptr);
  gst_buffer_memset(frame, 0, 0xff, kOffset + 3 * kStride);  // white but for the picture
  for (gsize y = 0; y < 3; ++y)
    for (gsize x = 0; x < 5; ++x) gst_buffer_fill(frame, kOffset + y * kStride + 3 * x, kGreen.data(), 3);
  gsize offsets[GST_VIDEO_MAX_PLANES] = {kOffset};
  gint strides[GST_VIDEO_MAX_PLANES] = {kStride};
  gst_buffer_add_video_meta_full(frame, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB, 5, 3, 1, offsets, strides);
  GstBuffer* out = harness.process(frame);
  EXPECT_EQ(text_field(classification_of(out), "label"), "green");
  EXPECT_GT(double_field(classification_of(out), "confidence"), 0.999);
  gst_buffer_unref(out);
}

TEST_F(RulesTest, ACropMetaIsHonoured) {
  ElementHarness harness({{"model-file", color_file()}});
  GstBuffer* frame = rgb_frame(kRed, 32, 32, 0);
  for (gsize y = 4; y < 12; ++y)
    for (gsize x = 8; x < 16; ++x) gst_buffer_fill(frame, y * 96 + 3 * x, kBlue.data(), 3);
  GstVideoCropMeta* crop = gst_buffer_add_video_crop_meta(frame);
  crop->x = crop->width = crop->height = 8;
  crop->y = 4;
  GstBuffer* out = harness.process(frame);
  EXPECT_EQ(text_field(classification_of(out), "label"), "blue");
  EXPECT_GT(double_field(classification_of(out), "confidence"), 0.999);
  gst_buffer_unref(out);
}

TEST_F(RulesTest, InterlacedFramesAreClassifiedAsAWhole) {
  ElementHarness harness({{"model-file", color_file()}}, rgb_caps(32, 32) + ", interlace-mode=interleaved");
  EXPECT_EQ(harness.label_of(kRed), "red");
}

}  // namespace resnetft::testing
