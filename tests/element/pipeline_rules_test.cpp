// SPDX-License-Identifier: MIT
// What takes a real pipeline: converters, live sources, branches that come and go.
#include <atomic>
#include <mutex>

#include "element_harness.h"

namespace resnetft::testing {
namespace {

struct PipelineFree {
  void operator()(GstElement* pipeline) const {
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
};
using PipelinePtr = std::unique_ptr<GstElement, PipelineFree>;

PipelinePtr launch(const std::string& line) {
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  EXPECT_EQ(error, nullptr) << line << ": " << (error ? error->message : "");
  return PipelinePtr(pipeline);
}

// Serves the bus until EOS or an error; latency is redistributed as applications do.
GstMessageType serve(GstElement* pipeline) {
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessageType last = GST_MESSAGE_UNKNOWN;
  wait_until([&] {
    GstMessage* message = gst_bus_timed_pop(bus, 10 * GST_MSECOND);
    if (!message) return false;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_LATENCY) gst_bin_recalculate_latency(GST_BIN(pipeline));
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
      ADD_FAILURE() << read_message(message).text;
      last = GST_MESSAGE_ERROR;
    }
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) last = GST_MESSAGE_EOS;
    gst_message_unref(message);
    return last != GST_MESSAGE_UNKNOWN;
  });
  gst_object_unref(bus);
  return last;
}

using Handoff = std::function<void(GstBuffer*)>;

void on_frames(GstElement* pipeline, const char* sink_name, Handoff* handoff) {
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), sink_name);
  g_object_set(sink, "signal-handoffs", TRUE, nullptr);
  g_signal_connect(sink, "handoff", G_CALLBACK(+[](GstElement*, GstBuffer* buffer, GstPad*, gpointer user) {
                     (*static_cast<Handoff*>(user))(buffer);
                   }),
                   handoff);
  gst_object_unref(sink);
}

class PipelineRules : public ElementTest {};
class Converter : public ElementTest, public ::testing::WithParamInterface<const char*> {};

}  // namespace

TEST_P(Converter, KeepsTheCustomMeta) {
  const PipelinePtr pipeline = launch(
      "videotestsrc num-buffers=10 ! video/x-raw, format=I420, width=64, height=48, framerate=30/1 ! "
      "resnetclassify model-file=" +
      color_file() + " ! " + GetParam() + " ! fakesink name=sink");
  unsigned frames = 0, judged = 0;
  Handoff count = [&](GstBuffer* buffer) {
    ++frames;
    judged += classification_of(buffer) != nullptr;
  };
  on_frames(pipeline.get(), "sink", &count);
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  EXPECT_EQ(serve(pipeline.get()), GST_MESSAGE_EOS);
  EXPECT_GE(frames, 10U);
  EXPECT_EQ(judged, frames);
}

INSTANTIATE_TEST_SUITE_P(Named, Converter,
                         ::testing::Values("videoconvert ! video/x-raw, format=BGRx",
                                           "videoscale ! video/x-raw, width=100, height=30",
                                           "videoflip method=clockwise", "videocrop left=5 top=3",
                                           "videorate ! video/x-raw, framerate=60/1", "deinterlace", "tee ! queue",
                                           "jpegenc ! jpegdec"),
                         [](const auto& info) {
                           const std::string line = info.param;
                           return line.substr(0, line.find(' '));
                         });

// Two elements of some 10 ms each at 5 frames a second: without latency all would be late, however often it is tried.
// The sink's jitter is how much later than its time, latency included, a frame came; one in ten may be, for the machine
// has other work, too, which at times makes more of them late.
TEST_F(PipelineRules, FramesAreInTimeAtALiveSinkAfterTheFirstSecond) {
  const std::string slow = save("slow.safetensors", color_model({.size = 128}));
  const std::string element = "resnetclassify threads=1 skip-late=false model-file=" + slow;
  struct Jitter {
    std::mutex lock;
    unsigned events = 0, late = 0;
    GstClockTimeDiff worst = G_MININT64;
  };
  const auto play = [&](Jitter& jitter) {
    const PipelinePtr pipeline = launch(
        "videotestsrc is-live=true num-buffers=35 ! video/x-raw, format=RGB, width=64, height=48, framerate=5/1 ! " +
        element + " ! " + element + " ! fakesink name=sink sync=true qos=true");
    GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline.get()), "sink");
    GstPad* pad = gst_element_get_static_pad(sink, "sink");
    gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
        [](GstPad*, GstPadProbeInfo* info, gpointer user) {
          GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
          if (GST_EVENT_TYPE(event) != GST_EVENT_QOS) return GST_PAD_PROBE_OK;
          GstClockTimeDiff diff = 0;
          GstClockTime time = 0;
          gst_event_parse_qos(event, nullptr, nullptr, &diff, &time);
          auto* seen = static_cast<Jitter*>(user);
          const std::scoped_lock guard(seen->lock);
          if (time < GST_SECOND) return GST_PAD_PROBE_OK;
          ++seen->events;
          seen->late += diff > 0;
          seen->worst = std::max(seen->worst, diff);
          return GST_PAD_PROBE_OK;
        },
        &jitter, nullptr);
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    EXPECT_EQ(serve(pipeline.get()), GST_MESSAGE_EOS);
    EXPECT_GE(jitter.events, 25U);
    gst_object_unref(pad);
    gst_object_unref(sink);
    return jitter.late <= jitter.events / 10;
  };
  bool in_time = false;
  GstClockTimeDiff worst = G_MININT64;
  for (int attempt = 0; attempt < 5 && !in_time; ++attempt) {
    Jitter jitter;
    in_time = play(jitter);
    worst = jitter.worst;
  }
  EXPECT_TRUE(in_time) << "the worst by " << static_cast<double>(worst) / 1000000 << " ms";
}

// videotestsrc numbers its frames in their offsets.
TEST_F(PipelineRules, ABranchThatComesAndGoesAHundredTimesCostsTheOtherNothing) {
  const PipelinePtr pipeline = launch(
      "videotestsrc is-live=true ! video/x-raw, format=RGB, width=64, height=48, framerate=200/1 ! tee name=tee ! "
      "queue max-size-buffers=0 max-size-time=0 max-size-bytes=0 ! fakesink name=kept sync=false");
  std::atomic<uint64_t> kept = 0, lost = 0;
  std::atomic<unsigned> judged = 0;
  Handoff count = [&](GstBuffer* buffer) {
    if (GST_BUFFER_OFFSET(buffer) != kept.fetch_add(1)) ++lost;
  };
  on_frames(pipeline.get(), "kept", &count);
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  GstElement* tee = gst_bin_get_by_name(GST_BIN(pipeline.get()), "tee");
  const std::string model = color_file();
  for (int round = 0; round < 100; ++round) {
    const unsigned seen = judged;
    GstElement* branch = gst_parse_bin_from_description(
        ("queue ! resnetclassify threads=1 model-file=" + model + " ! fakesink name=sink sync=false async=false")
            .c_str(),
        TRUE, nullptr);
    Handoff see = [&](GstBuffer* buffer) { judged += classification_of(buffer) != nullptr; };
    on_frames(branch, "sink", &see);
    gst_bin_add(GST_BIN(pipeline.get()), branch);
    GstPad *from = gst_element_request_pad_simple(tee, "src_%u"), *to = gst_element_get_static_pad(branch, "sink");
    ASSERT_TRUE(gst_element_sync_state_with_parent(branch));
    ASSERT_EQ(gst_pad_link(from, to), GST_PAD_LINK_OK);
    g_usleep(15000);
    EXPECT_TRUE(wait_until([&] { return judged > seen; }));
    // Out again, between two frames.
    std::atomic<bool> unlinked = false;
    gst_pad_add_probe(
        from, GST_PAD_PROBE_TYPE_IDLE,
        [](GstPad* pad, GstPadProbeInfo*, gpointer user) {
          GstPad* peer = gst_pad_get_peer(pad);
          gst_pad_unlink(pad, peer);
          gst_object_unref(peer);
          *static_cast<std::atomic<bool>*>(user) = true;
          return GST_PAD_PROBE_REMOVE;
        },
        &unlinked, nullptr);
    while (!unlinked) g_usleep(500);
    gst_element_release_request_pad(tee, from);
    gst_element_set_state(branch, GST_STATE_NULL);
    gst_bin_remove(GST_BIN(pipeline.get()), branch);
    gst_object_unref(from);
    gst_object_unref(to);
  }
  gst_element_send_event(pipeline.get(), gst_event_new_eos());
  EXPECT_EQ(serve(pipeline.get()), GST_MESSAGE_EOS);
  EXPECT_EQ(lost, 0U);
  EXPECT_GT(kept, 200U);
  gst_object_unref(tee);
}

TEST_F(PipelineRules, AHundredCyclesWithAFrameInFlightLeaveNothingBehind) {
  const PipelinePtr pipeline = launch(
      "videotestsrc ! video/x-raw, format=RGB, width=64, height=48 ! "
      "resnetclassify name=c threads=1 model-file=" +
      color_file() + " ! fakesink sync=false");
  GstElement* element = gst_bin_get_by_name(GST_BIN(pipeline.get()), "c");
  for (int cycle = 0; cycle < 100; ++cycle) {
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    ASSERT_EQ(gst_element_get_state(pipeline.get(), nullptr, nullptr, kHangGuard_ns), GST_STATE_CHANGE_SUCCESS);
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    guint64 generation = 1;
    g_object_get(element, "model-generation", &generation, nullptr);
    ASSERT_EQ(generation, 0U);
  }
  gst_object_unref(element);
}

}  // namespace resnetft::testing
