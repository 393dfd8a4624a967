// SPDX-License-Identifier: MIT
// What goes in comes out: the same memory, times, offsets and flags, whatever the properties say.
#include <atomic>
#include <thread>

#include "element_harness.h"

namespace resnetft::testing {
namespace {

// 200 frames' worth of pixels, reused: what is compared is the GstMemory's address and the buffer's fields.
struct Sent {
  GstMemory* memory;
  GstClockTime pts, dts, duration;
  guint64 offset, offset_end;
  guint flags;
  bool operator==(const Sent&) const = default;
};

Sent facts_of(GstBuffer* buffer) {
  return {gst_buffer_peek_memory(buffer, 0),
          GST_BUFFER_PTS(buffer),
          GST_BUFFER_DTS(buffer),
          GST_BUFFER_DURATION(buffer),
          GST_BUFFER_OFFSET(buffer),
          GST_BUFFER_OFFSET_END(buffer),
          GST_BUFFER_FLAGS(buffer) & ~guint{GST_BUFFER_FLAG_TAG_MEMORY}};
}

GstBuffer* numbered_frame(uint64_t index) {
  GstBuffer* buffer = rgb_frame(index % 2 ? kRed : kGreen, 32, 32, index);
  GST_BUFFER_DTS(buffer) = GST_BUFFER_PTS(buffer);
  GST_BUFFER_OFFSET(buffer) = index;
  GST_BUFFER_OFFSET_END(buffer) = index + 1;
  if (index % 7 == 0) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  if (index % 11 == 0) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  if (index % 13 == 0) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_GAP);
  return buffer;
}

struct Setting {
  const char* name;
  Properties properties;
  uint64_t frames;
};

class Passing : public ElementTest, public ::testing::WithParamInterface<Setting> {};

}  // namespace

TEST_P(Passing, KeepsEveryFrameWithItsMemoryTimesOffsetsAndFlags) {
  Properties properties = GetParam().properties;
  properties.emplace_back("model-file", color_file());
  ElementHarness harness(properties);
  for (uint64_t index = 0; index < GetParam().frames; ++index) {
    GstBuffer* in = numbered_frame(index);
    const Sent sent = facts_of(in);
    GstBuffer* out = harness.process(in);
    ASSERT_NE(out, nullptr) << index;
    ASSERT_EQ(out, in) << index;  // the harness gave its only reference, so the buffer was writable
    ASSERT_EQ(facts_of(out), sent) << index;
    gst_buffer_unref(out);
    if (index % 50 == 0)  // a sink that is always late
      gst_harness_push_upstream_event(
          harness.get(), gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 2.0, 20 * GST_MSECOND, GST_BUFFER_PTS(out)));
    if (index % 100 == 0) harness.messages();
  }
  EXPECT_EQ(gst_harness_buffers_received(harness.get()), GetParam().frames);
}

INSTANTIATE_TEST_SUITE_P(
    Settings, Passing,
    ::testing::Values(Setting{"EveryFrameInferred", {{"threads", "1"}, {"post-messages", "always"}}, 10000},
                      Setting{"EveryTenthFrame", {{"inference-interval", "10"}}, 10000},
                      Setting{"LateFramesInferredToo", {{"skip-late", "false"}, {"inference-interval", "5"}}, 10000},
                      Setting{"Disabled", {{"enabled", "false"}}, 10000},
                      Setting{"InheritedQos", {{"qos", "true"}, {"inference-interval", "10"}}, 10000}),
    [](const auto& info) { return info.param.name; });

using PassingTest = ElementTest;

TEST_F(PassingTest, ASharedFrameLeavesAsACopyThatSharesItsMemory) {
  ElementHarness harness({{"model-file", color_file()}});
  GstBuffer* in = numbered_frame(1);
  gst_buffer_ref(in);  // as the other branch of a tee holds it
  GstBuffer* out = harness.process(in);
  ASSERT_NE(out, nullptr);
  EXPECT_NE(out, in);
  EXPECT_EQ(gst_buffer_peek_memory(out, 0), gst_buffer_peek_memory(in, 0));
  EXPECT_EQ(classification_of(in), nullptr);
  EXPECT_EQ(text_field(classification_of(out), "label"), "red");
  gst_buffer_unref(out);
  gst_buffer_unref(in);
}

TEST_F(PassingTest, ASharedFrameLeavesItselfWhenDisabled) {
  ElementHarness harness({{"model-file", color_file()}, {"enabled", "false"}});
  gst_buffer_unref(harness.process(numbered_frame(11)));  // the base class marks the first one DISCONT
  GstBuffer* in = numbered_frame(1);
  gst_buffer_ref(in);
  GstBuffer* out = harness.process(in);
  EXPECT_EQ(out, in);
  gst_buffer_unref(out);
  gst_buffer_unref(in);
}

// Behind a tee frames are never writable: a passthrough that is switched in mid-frame would write into them.
TEST_F(PassingTest, SharedFramesStayUntouchedWhileEnabledIsToggled) {
  ElementHarness harness({{"model-file", color_file()}, {"threads", "1"}});
  std::atomic<bool> stop = false;
  std::thread toggler([&] {
    for (bool enabled = false; !stop; enabled = !enabled) g_object_set(harness.element(), "enabled", enabled, nullptr);
  });
  unsigned judged = 0, passed = 0;
  const auto end = std::chrono::steady_clock::now() + kHangGuard;
  const auto enough = [&](uint64_t index) {
    return (index > 3000 && judged >= 100 && passed >= 100) || std::chrono::steady_clock::now() > end;
  };
  for (uint64_t index = 1; !enough(index); ++index) {
    GstBuffer* in = rgb_frame(kRed, 32, 32, index);
    gst_buffer_ref(in);
    GstBuffer* out = harness.process(in);
    ASSERT_NE(out, nullptr) << index;
    ASSERT_EQ(classification_of(in), nullptr) << index;
    ASSERT_EQ(gst_buffer_peek_memory(out, 0), gst_buffer_peek_memory(in, 0)) << index;
    ++(classification_of(out) ? judged : passed);
    gst_buffer_unref(out);
    gst_buffer_unref(in);
  }
  stop = true;
  toggler.join();
  EXPECT_GE(judged, 100U);
  EXPECT_GE(passed, 100U);
}

TEST_F(PassingTest, AFlowReturnFromDownstreamReachesUpstream) {
  ElementHarness harness({{"model-file", color_file()}});
  GstPad* pad = gst_element_get_static_pad(harness.element(), "src");
  GstFlowReturn answer = GST_FLOW_OK;
  gst_pad_add_probe(
      pad, GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo* info, gpointer user) {
        gst_buffer_unref(GST_PAD_PROBE_INFO_BUFFER(info));
        GST_PAD_PROBE_INFO_FLOW_RETURN(info) = *static_cast<GstFlowReturn*>(user);
        return GST_PAD_PROBE_HANDLED;
      },
      &answer, nullptr);
  for (const GstFlowReturn flow :
       {GST_FLOW_OK, GST_FLOW_EOS, GST_FLOW_NOT_LINKED, GST_FLOW_CUSTOM_ERROR, GST_FLOW_ERROR}) {
    answer = flow;
    EXPECT_EQ(gst_harness_push(harness.get(), numbered_frame(1)), flow);
  }
  gst_object_unref(pad);
}

TEST_F(PassingTest, EventsKeepTheirOrderWithFrames) {
  ElementHarness harness({{"model-file", color_file()}});
  GstPad* pad = gst_element_get_static_pad(harness.element(), "src");
  std::vector<std::string> order;
  gst_pad_add_probe(
      pad, static_cast<GstPadProbeType>(int{GST_PAD_PROBE_TYPE_BUFFER} | int{GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM}),
      [](GstPad*, GstPadProbeInfo* info, gpointer user) {
        static_cast<std::vector<std::string>*>(user)->push_back(
            GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER
                ? "buffer"
                : GST_EVENT_TYPE_NAME(GST_PAD_PROBE_INFO_EVENT(info)));
        return GST_PAD_PROBE_OK;
      },
      &order, nullptr);
  gst_harness_push(harness.get(), numbered_frame(1));
  gst_harness_push_event(harness.get(), gst_event_new_gap(GST_SECOND, GST_SECOND));
  gst_harness_push(harness.get(), numbered_frame(2));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = GST_SECOND;
  gst_harness_push_event(harness.get(), gst_event_new_segment(&segment));
  gst_harness_push(harness.get(), numbered_frame(60));
  gst_harness_push_event(harness.get(), gst_event_new_eos());
  EXPECT_EQ(order, (std::vector<std::string>{"buffer", "gap", "buffer", "segment", "buffer", "eos"}));
  gst_object_unref(pad);
}

TEST_F(PassingTest, FramesFlowAgainAfterAFlush) {
  ElementHarness harness({{"model-file", color_file()}});
  EXPECT_EQ(harness.label_of(kRed), "red");
  gst_harness_push_event(harness.get(), gst_event_new_flush_start());
  EXPECT_EQ(gst_harness_push(harness.get(), numbered_frame(1)), GST_FLOW_FLUSHING);
  gst_harness_push_event(harness.get(), gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(harness.get(), gst_event_new_segment(&segment));
  EXPECT_EQ(harness.label_of(kBlue), "blue");
}

TEST_F(PassingTest, CapsMayChangeInMidStream) {
  ElementHarness harness({{"model-file", color_file()}});
  EXPECT_EQ(harness.label_of(kRed, 32), "red");
  gst_harness_set_src_caps_str(harness.get(), rgb_caps(77, 77).c_str());
  EXPECT_EQ(harness.label_of(kGreen, 77), "green");
  gst_harness_set_src_caps_str(harness.get(), rgb_caps(1, 1).c_str());
  EXPECT_EQ(harness.label_of(kBlue, 1), "blue");
}

TEST_F(PassingTest, AFrameEveryTenSecondsIsClassifiedAtOnce) {
  ElementHarness harness({{"model-file", color_file()}},
                         "video/x-raw, format=RGB, framerate=1/10, width=32, height=32");
  for (uint64_t index = 0; index < 3; ++index) {
    GstBuffer* out = harness.process(rgb_frame(kRed, 32, 32, 300 * index));
    ASSERT_NE(out, nullptr);
    EXPECT_EQ(text_field(classification_of(out), "label"), "red");
    gst_buffer_unref(out);
  }
}

TEST_F(PassingTest, AFrameWithoutATimestampIsClassified) {
  ElementHarness harness({{"model-file", color_file()}}, "video/x-raw, format=RGB, framerate=0/1, width=32, height=32");
  GstBuffer* frame = rgb_frame(kGreen, 32, 32, 0);
  GST_BUFFER_PTS(frame) = GST_BUFFER_DURATION(frame) = GST_CLOCK_TIME_NONE;
  GstBuffer* out = harness.process(frame);
  ASSERT_NE(out, nullptr);
  EXPECT_EQ(text_field(classification_of(out), "label"), "green");
  EXPECT_EQ(uint64_field(classification_of(out), "running-time"), GST_CLOCK_TIME_NONE);
  gst_buffer_unref(out);
}

TEST_F(PassingTest, AFrameSmallerThanItsCapsEndsTheStreamWithOneError) {
  ElementHarness harness({{"model-file", color_file()}});
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(gst_harness_push(harness.get(), gst_buffer_new_allocate(nullptr, 100, nullptr)), GST_FLOW_ERROR);
  int errors = 0;
  for (const BusMessage& message : harness.messages()) errors += message.type == GST_MESSAGE_ERROR;
  EXPECT_EQ(errors, 1);
}

}  // namespace resnetft::testing
