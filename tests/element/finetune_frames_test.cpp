// SPDX-License-Identifier: MIT
// What passes resnetfinetune, and which frames of it are sampled, whatever their times.
#include <map>
#include <set>
#include <tuple>

#include "finetune_harness.h"

namespace resnetft::testing {
namespace {

class FinetuneFrames : public FinetuneTest {
 protected:
  Properties collecting(Properties more = {}) {
    more.emplace_back("train", "off");
    more.emplace_back("instant-head", "off");
    return properties(more);
  }
};

// One frame whose time is `pts`.
void push_at(FinetuneHarness& harness, GstClockTime pts) {
  GstBuffer* buffer = rgb_frame(kRed, 32, 32, 0);
  GST_BUFFER_PTS(buffer) = pts;
  GstBuffer* out = harness.process(buffer);
  ASSERT_NE(out, nullptr);
  EXPECT_EQ(GST_BUFFER_PTS(out), pts);
  gst_buffer_unref(out);
}

// What was stored of the frames before, once a frame under a label of its own is stored too: samples keep their order.
// Ends the event's label.
std::vector<BusMessage> all_samples(FinetuneHarness& harness) {
  gst_harness_push_event(harness.get(), label_event("the end"));
  harness.frame(true);
  gst_harness_push_event(harness.get(), label_event(nullptr));
  std::vector<BusMessage> stored;
  const auto ended = [&] {
    for (BusMessage& message : harness.events("sample-stored")) stored.push_back(std::move(message));
    return !stored.empty() && text_field(stored.back().fields.get(), "label") == "the end";
  };
  if (wait_until(ended))
    stored.pop_back();
  else
    ADD_FAILURE() << "the last sample was not stored";
  return stored;
}

std::set<std::tuple<uint64_t, uint64_t>> keys_of(const std::vector<BusMessage>& stored) {
  std::set<std::tuple<uint64_t, uint64_t>> keys;
  for (const BusMessage& message : stored)
    keys.emplace(uint64_field(message.fields.get(), "epoch"), uint64_field(message.fields.get(), "running-time"));
  return keys;
}

void restart_stream(FinetuneHarness& harness, const char* stream_id) {
  gst_harness_push_event(harness.get(), gst_event_new_stream_start(stream_id));
  gst_harness_set_src_caps_str(harness.get(), rgb_caps(32, 32).c_str());
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(harness.get(), gst_event_new_segment(&segment));
}

}  // namespace

TEST_F(FinetuneFrames, EveryFrameComesOutWithItsMemoryTimesAndFlags) {
  FinetuneHarness harness(collecting({{"label", "x"}}));
  for (uint64_t index = 0; index < 2000; ++index) {
    GstBuffer* in = rgb_frame(index % 2 ? kRed : kGreen, 32, 32, index);
    GST_BUFFER_OFFSET(in) = index;
    if (index % 7 == 0) GST_BUFFER_FLAG_SET(in, GST_BUFFER_FLAG_DELTA_UNIT);
    if (index % 13 == 0) GST_BUFFER_FLAG_SET(in, GST_BUFFER_FLAG_GAP);
    const GstMemory* memory = gst_buffer_peek_memory(in, 0);
    const guint flags = GST_BUFFER_FLAGS(in);
    GstBuffer* out = harness.process(in);
    ASSERT_EQ(out, in) << index;
    ASSERT_EQ(gst_buffer_peek_memory(out, 0), memory);
    ASSERT_EQ(GST_BUFFER_PTS(out), gst_util_uint64_scale(index, GST_SECOND, 30));
    ASSERT_EQ(GST_BUFFER_OFFSET(out), index);
    ASSERT_EQ(GST_BUFFER_FLAGS(out), flags);
    gst_buffer_unref(out);
    harness.messages();
  }
}

TEST_F(FinetuneFrames, AnUnlabelledFrameWithoutARingPassesUntouched) {
  FinetuneHarness harness(collecting({{"candidate-ring-bytes", "0"}}));
  gst_buffer_unref(harness.process(rgb_frame(kRed, 32, 32, 0)));  // the base class marks the first one DISCONT
  for (uint64_t index = 1; index < 20; ++index) {
    GstBuffer* in = rgb_frame(kRed, 32, 32, index);
    gst_buffer_ref(in);
    GstBuffer* out = harness.process(in);
    EXPECT_EQ(out, in);
    gst_buffer_unref(out);
    gst_buffer_unref(in);
  }
  EXPECT_TRUE(gst_base_transform_is_passthrough(GST_BASE_TRANSFORM(harness.element())));
  harness.set("label", "x");
  EXPECT_FALSE(harness.samples(1, [&] { harness.frame(true); }).empty());
  EXPECT_FALSE(gst_base_transform_is_passthrough(GST_BASE_TRANSFORM(harness.element())));
}

TEST_F(FinetuneFrames, ALabelInForceOutlivesAStretchWithoutLooking) {
  FinetuneHarness harness(collecting({{"candidate-ring-bytes", "0"}, {"label-source", "event"}}));
  gst_harness_push_event(harness.get(), label_event("kept"));
  ASSERT_FALSE(harness.samples(1, [&] { harness.frame(true); }).empty());
  harness.set("label-source", "property");
  for (int i = 0; i < 5; ++i) harness.frame(true);
  harness.set("label-source", "event");
  harness.messages();
  const std::vector<BusMessage> stored = harness.samples(2, [&] { harness.frame(true); });
  ASSERT_FALSE(stored.empty());
  EXPECT_EQ(text_field(stored.back().fields.get(), "label"), "kept");
}

TEST_F(FinetuneFrames, AFrameThatCannotBeReadPassesWithOneWarning) {
  FinetuneHarness harness(collecting({{"label", "x"}}));
  harness.messages();
  for (int i = 0; i < 5; ++i) {
    GstBuffer* out = harness.process(gst_buffer_new_allocate(nullptr, 10, nullptr));
    ASSERT_NE(out, nullptr);
    gst_buffer_unref(out);
  }
  EXPECT_EQ(harness.last_flow(), GST_FLOW_OK);
  size_t warnings = 0;
  for (const BusMessage& message : harness.messages()) {
    EXPECT_NE(message.type, GST_MESSAGE_ERROR);
    warnings += message.type == GST_MESSAGE_WARNING;
  }
  EXPECT_EQ(warnings, 1U);
}

TEST_F(FinetuneFrames, EveryNthFrameIsSampledAtOneFrameASecondAndAtTwoHundredAndForty) {
  for (const uint64_t rate : {1, 240}) {
    FinetuneHarness harness(collecting({{"label", "x"}, {"sample-interval", "5"}}));
    for (uint64_t index = 0; index < 50; ++index) {
      GstBuffer* buffer = rgb_frame(kRed, 32, 32, 0);
      GST_BUFFER_PTS(buffer) = gst_util_uint64_scale(index, GST_SECOND, rate);
      gst_buffer_unref(harness.process(buffer));
    }
    const std::vector<BusMessage> stored = all_samples(harness);
    EXPECT_EQ(stored.size(), 10U);
    for (const BusMessage& message : stored) {
      const uint64_t time = uint64_field(message.fields.get(), "running-time");
      EXPECT_EQ(gst_util_uint64_scale_round(time, rate, GST_SECOND) % 5, 0U) << time;
    }
  }
}

TEST_F(FinetuneFrames, TheFirstFrameUnderAnotherLabelIsSampled) {
  FinetuneHarness harness(collecting({{"sample-interval", "1000"}}));
  for (const char* label : {"a", "b", "a", "b"}) {
    gst_harness_push_event(harness.get(), label_event(label));
    for (int i = 0; i < 3; ++i) harness.frame(true);
  }
  const std::vector<BusMessage> stored = all_samples(harness);
  EXPECT_EQ(stored.size(), 4U);
  for (const BusMessage& message : stored)
    EXPECT_EQ(gst_util_uint64_scale_round(uint64_field(message.fields.get(), "running-time"), 30, GST_SECOND) % 3, 0U);
}

TEST_F(FinetuneFrames, TimesThatJumpBackAreMissingOrRepeatGiveEachSampleAKeyOfItsOwn) {
  FinetuneHarness harness(collecting({{"label", "x"}}));
  constexpr GstClockTime kNone = GST_CLOCK_TIME_NONE;
  const std::vector<GstClockTime> times_ms = {0, 40, 80, 80, kNone, kNone, 120, 0, 40, kNone, 3600000, 80};
  for (const GstClockTime time : times_ms) {
    const GstClockTime pts = time == kNone ? kNone : time * GST_MSECOND;
    push_at(harness, pts);
  }
  const std::vector<BusMessage> stored = all_samples(harness);
  EXPECT_EQ(stored.size(), 12U);
  EXPECT_EQ(keys_of(stored).size(), stored.size());
}

TEST_F(FinetuneFrames, CapsThatChangeWhileCollectingLeaveItCollecting) {
  FinetuneHarness harness(collecting({{"label", "x"}}));
  for (const auto& [width, height] : {std::pair{32, 32}, {640, 360}, {17, 5}, {1, 1}, {32, 32}}) {
    gst_harness_set_src_caps_str(harness.get(), rgb_caps(width, height).c_str());
    const auto frame = [&] {
      GstBuffer* buffer = rgb_frame(kRed, width, height, harness.next_index());
      harness.skip_to(harness.next_index() + 1);
      GstBuffer* out = harness.process(buffer);
      ASSERT_NE(out, nullptr);
      gst_buffer_unref(out);
    };
    EXPECT_FALSE(harness.samples(1, frame).empty()) << width << "x" << height;
  }
  EXPECT_EQ(harness.last_flow(), GST_FLOW_OK);
}

TEST_F(FinetuneFrames, ASecondStreamEndsTheEventsLabelAndKeepsWhatIsStored) {
  FinetuneHarness harness(collecting({{"label", "property"}}));
  gst_harness_push_event(harness.get(), label_event("event"));
  ASSERT_FALSE(harness.samples(3, [&] { harness.frame(true); }).empty());
  all_samples(harness);
  gst_harness_push_event(harness.get(), label_event("event"));
  const uint64_t before = samples_of(harness.element(), "event");
  restart_stream(harness, "second");
  const std::vector<BusMessage> stored = harness.samples(2, [&] { harness.frame(true); });
  ASSERT_FALSE(stored.empty());
  EXPECT_EQ(text_field(stored.back().fields.get(), "label"), "property");
  EXPECT_EQ(text_field(stored.back().fields.get(), "stream-id"), "second");
  EXPECT_EQ(samples_of(harness.element(), "event"), before);
}

// As behind a funnel.
TEST_F(FinetuneFrames, StreamsThatTakeTurnsKeepTheEventsLabelTheIntervalAndTheRing) {
  FinetuneHarness harness(collecting({{"sample-interval", "4"}}));
  const auto turns = [&](int count) {
    for (int i = 0; i < count; ++i) {
      restart_stream(harness, i % 2 ? "second" : "first");
      harness.frame(true);
    }
  };
  turns(2);
  gst_harness_push_event(harness.get(), label_event("event"));
  turns(32);
  std::map<std::string, int> of_stream;
  for (const BusMessage& message : all_samples(harness)) ++of_stream[text_field(message.fields.get(), "stream-id")];
  EXPECT_EQ(of_stream, (std::map<std::string, int>{{"first", 4}, {"second", 4}}));
  guint count = 0;
  g_signal_emit_by_name(harness.element(), "label-range", "late", guint64{0}, guint64{10 * GST_SECOND}, &count);
  EXPECT_EQ(count, 10U);  // those, the second stream's first frame and its last
}

TEST_F(FinetuneFrames, AFlushLosesNoStoredSampleAndBeginsAnEpoch) {
  FinetuneHarness harness(collecting({{"label", "x"}}));
  const std::vector<BusMessage> first = harness.samples(3, [&] { harness.frame(true); });
  ASSERT_FALSE(first.empty());
  all_samples(harness);
  const uint64_t before = samples_of(harness.element(), "x");
  gst_harness_push_event(harness.get(), gst_event_new_flush_start());
  gst_harness_push_event(harness.get(), gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(harness.get(), gst_event_new_segment(&segment));
  EXPECT_EQ(samples_of(harness.element(), "x"), before);
  harness.skip_to(0);
  const std::vector<BusMessage> second = harness.samples(1, [&] { harness.frame(true); });
  ASSERT_FALSE(second.empty());
  EXPECT_GT(uint64_field(second[0].fields.get(), "epoch"), uint64_field(first[0].fields.get(), "epoch"));
  EXPECT_GT(samples_of(harness.element(), "x"), before);
}

TEST_F(FinetuneFrames, NothingIsCollectedWhilePlayingBackwards) {
  FinetuneHarness harness(collecting({{"label", "x"}}));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.rate = -1;
  segment.stop = 10 * GST_SECOND;
  gst_harness_push_event(harness.get(), gst_event_new_segment(&segment));
  for (int i = 0; i < 10; ++i) harness.frame(true);
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(harness.get(), gst_event_new_segment(&segment));
  EXPECT_TRUE(all_samples(harness).empty());
}

// videotestsrc can seek, and is live where asked.
TEST_F(FinetuneFrames, StreamTimeIsGivenWhereTheSourceCanSeekAndNotWhereItIsLive) {
  for (const bool live : {false, true}) {
    GError* error = nullptr;
    GstElement* pipeline = gst_parse_launch(
        (std::string("videotestsrc is-live=") + (live ? "true" : "false") +
         " ! video/x-raw, format=RGB, width=32, height=32, framerate=50/1 ! resnetfinetune name=f label=x train=off "
         "instant-head=off sample-interval=1 model-instance-id=times base-model-file=" +
         color_file() + " ! fakesink sync=true")
            .c_str(),
        &error);
    ASSERT_EQ(error, nullptr);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstBus* bus = gst_element_get_bus(pipeline);
    std::optional<BusMessage> stored;
    for (int i = 0; i < 1000 && !stored; ++i) {
      GstMessage* message = gst_bus_timed_pop_filtered(bus, kHangGuard_ns, GST_MESSAGE_ELEMENT);
      ASSERT_NE(message, nullptr);
      BusMessage read = read_message(message);
      gst_message_unref(message);
      if (read.event == "sample-stored") stored = std::move(read);
    }
    ASSERT_TRUE(stored);
    EXPECT_EQ(uint64_field(stored->fields.get(), "stream-time") == GST_CLOCK_TIME_NONE, live);
    EXPECT_NE(uint64_field(stored->fields.get(), "running-time"), GST_CLOCK_TIME_NONE);
    gst_object_unref(bus);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
}

}  // namespace resnetft::testing
