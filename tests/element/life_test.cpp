// SPDX-License-Identifier: MIT
// From NULL to PLAYING and back, and what stands in the way.
#include "element_harness.h"
#include "error_report.h"

namespace resnetft::testing {
namespace {

// The element alone in a pipeline with a source and a sink.
struct Pipeline {
  explicit Pipeline(const Properties& properties, const std::string& source = "videotestsrc num-buffers=3") {
    element = make_classifier(properties);
    pipeline = gst_pipeline_new(nullptr);
    GstElement* from =
        gst_parse_bin_from_description((source + " ! video/x-raw, width=64, height=48").c_str(), TRUE, nullptr);
    GstElement* to = gst_element_factory_make("fakesink", nullptr);
    gst_bin_add_many(GST_BIN(pipeline), from, element, to, nullptr);
    EXPECT_TRUE(gst_element_link_many(from, element, to, nullptr));
  }
  ~Pipeline() {
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
  // Plays to the end or to an error, which is given back.
  std::optional<BusMessage> play() {
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstBus* bus = gst_element_get_bus(pipeline);
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus, kHangGuard_ns, static_cast<GstMessageType>(int{GST_MESSAGE_EOS} | int{GST_MESSAGE_ERROR}));
    gst_object_unref(bus);
    if (!message) return std::nullopt;
    BusMessage result = read_message(message);
    gst_message_unref(message);
    return result;
  }
  GstElement* pipeline;
  GstElement* element;
};

class LifeTest : public ElementTest {
 protected:
  // Expects that the element does not start, with an error of that code whose text holds each of `words`.
  void expect_refused(const Properties& properties, GQuark domain, int code, const std::vector<std::string>& words) {
    Pipeline pipeline(properties);
    const std::optional<BusMessage> outcome = pipeline.play();
    ASSERT_TRUE(outcome && outcome->type == GST_MESSAGE_ERROR);
    EXPECT_EQ(outcome->domain, domain);
    EXPECT_EQ(outcome->code, code);
    for (const std::string& word : words) EXPECT_NE(outcome->text.find(word), std::string::npos) << outcome->text;
  }
};

}  // namespace

TEST_F(LifeTest, WithNeitherIdNorFileTheErrorNamesBoth) {
  expect_refused({}, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, {"model-file", "model-instance-id"});
}

TEST_F(LifeTest, AMissingModelFileIsNamed) {
  expect_refused({{"model-file", folder_.file("none.safetensors")}}, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
                 {"none.safetensors"});
}

TEST_F(LifeTest, ATruncatedModelFileIsNamed) {
  const std::string whole = read_text(color_file());
  const std::string path = folder_.file("half.safetensors");
  write_text(path, whole.substr(0, whole.size() / 2));
  expect_refused({{"model-file", path}}, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ, {"half.safetensors"});
}

TEST_F(LifeTest, AnUnknownDeviceIsAnsweredWithTheList) {
  expect_refused({{"model-file", color_file()}, {"device", "tpu"}}, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                 {"tpu", "auto", "cpu"});
}

TEST_F(LifeTest, ANamedDeviceThatIsMissingIsAnError) {
  expect_refused({{"model-file", color_file()}, {"device", "cuda"}}, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT,
                 {"cuda"});
}

TEST_F(LifeTest, ALabelsFileWithTooFewLinesNamesBothCounts) {
  write_text(folder_.file("labels.txt"), "one\ntwo\n");
  expect_refused({{"model-file", color_file()}, {"labels-file", folder_.file("labels.txt")}}, GST_LIBRARY_ERROR,
                 GST_LIBRARY_ERROR_SETTINGS, {"2", "3"});
}

TEST_F(LifeTest, AnArchitectureThatTheWeightsDoNotFitIsAnError) {
  expect_refused({{"model-file", color_file()}, {"arch", "resnet50"}}, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS,
                 {"resnet50"});
}

TEST_F(LifeTest, ALabelsFileReplacesTheCardsLabels) {
  write_text(folder_.file("labels.txt"), "rouge\nvert\nbleu\n");
  ElementHarness harness({{"model-file", color_file()}, {"labels-file", folder_.file("labels.txt")}});
  EXPECT_EQ(harness.label_of(kGreen), "vert");
}

TEST_F(LifeTest, AfterAnErrorTheElementPlaysWithABetterFile) {
  Pipeline pipeline({{"model-file", folder_.file("none.safetensors")}});
  ASSERT_EQ(pipeline.play()->type, GST_MESSAGE_ERROR);
  gst_element_set_state(pipeline.pipeline, GST_STATE_NULL);
  g_object_set(pipeline.element, "model-file", color_file().c_str(), nullptr);
  EXPECT_EQ(pipeline.play()->type, GST_MESSAGE_EOS);
}

TEST_F(LifeTest, AfterNullItPlaysAgainWithAnotherModel) {
  Pipeline pipeline({{"model-file", color_file()}});
  ASSERT_EQ(pipeline.play()->type, GST_MESSAGE_EOS);
  gst_element_set_state(pipeline.pipeline, GST_STATE_READY);
  g_object_set(pipeline.element, "model-file", save("other.safetensors", stubborn_model("x")).c_str(), nullptr);
  EXPECT_EQ(pipeline.play()->type, GST_MESSAGE_EOS);
  gchar** labels = nullptr;
  g_object_get(pipeline.element, "labels", &labels, nullptr);
  EXPECT_STREQ(labels[0], "x");
  g_strfreev(labels);
}

TEST_F(LifeTest, StopsWithinASecondWhileAnInferenceRuns) {
  const std::string slow = save("slow.safetensors", color_model({.size = 256}));
  for (const GstState target : {GST_STATE_READY, GST_STATE_NULL}) {
    const auto stop_it = [&] {
      Pipeline pipeline({{"model-file", slow}}, "videotestsrc");
      gst_element_set_state(pipeline.pipeline, GST_STATE_PLAYING);
      gst_element_get_state(pipeline.pipeline, nullptr, nullptr, kHangGuard_ns);
      g_usleep(100000);
      return time_of([&] { gst_element_set_state(pipeline.pipeline, target); });
    };
    EXPECT_LT(shortest_time(gint64{G_USEC_PER_SEC}, stop_it), G_USEC_PER_SEC);
  }
}

TEST_F(LifeTest, AFlushDuringAnInferenceEndsWithIt) {
  ElementHarness harness({{"model-file", save("slow.safetensors", color_model({.size = 256}))}});
  GThread* pusher = g_thread_new(
      "pusher",
      [](gpointer data) -> gpointer {
        return GINT_TO_POINTER(gst_harness_push(static_cast<GstHarness*>(data), rgb_frame(kRed, 32, 32, 0)));
      },
      harness.get());
  g_usleep(20000);
  gst_harness_push_event(harness.get(), gst_event_new_flush_start());
  const int flow = GPOINTER_TO_INT(g_thread_join(pusher));
  EXPECT_TRUE(flow == GST_FLOW_FLUSHING || flow == GST_FLOW_OK);
  gst_harness_push_event(harness.get(), gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(harness.get(), gst_event_new_segment(&segment));
  while (GstBuffer* leftover = gst_harness_try_pull(harness.get())) gst_buffer_unref(leftover);
  EXPECT_EQ(harness.label_of(kGreen), "green");
}

// A shut-down makes the source pad flush first; a stream's first events may come before the sink pad does, too.
TEST_F(LifeTest, AnEventThatMeetsAShutDownIsNoError) {
  const auto segment_event = [] {
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    return gst_event_new_segment(&segment);
  };
  const auto caps_event = [] {
    const auto caps = GRef<GstCaps>::adopt(gst_caps_from_string(rgb_caps(48, 48).c_str()));
    return gst_event_new_caps(caps.get());
  };
  const std::string file = color_file();
  for (GstEvent* event : {gst_event_new_stream_start("next"), caps_event(), segment_event()}) {
    ElementHarness harness({{"model-file", file}});
    EXPECT_EQ(harness.label_of(kGreen), "green");
    GstPad* src = gst_element_get_static_pad(harness.element(), "src");
    gst_pad_set_active(src, FALSE);
    gst_harness_push_event(harness.get(), event);
    EXPECT_EQ(harness.process(rgb_frame(kGreen, 32, 32, 1)), nullptr);
    EXPECT_EQ(harness.last_flow(), GST_FLOW_FLUSHING);
    gst_object_unref(src);
  }
}

TEST_F(LifeTest, ActionsBelowPausedAreRefusedWithAWarning) {
  GstElement* element = make_classifier({{"model-file", color_file()}});
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  gboolean accepted = TRUE;
  g_signal_emit_by_name(element, "load-model", "x.safetensors", &accepted);
  EXPECT_FALSE(accepted);
  g_signal_emit_by_name(element, "rollback", &accepted);
  EXPECT_FALSE(accepted);
  for (int i = 0; i < 2; ++i) {
    GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_WARNING);
    ASSERT_NE(message, nullptr);
    gst_message_unref(message);
  }
  gst_element_set_bus(element, nullptr);
  gst_object_unref(bus);
  gst_object_unref(element);
}

TEST(ErrorReport, EveryErrorCodeHasADomainAndCode) {
  for (int code = static_cast<int>(ErrorCode::InvalidArgument); code < static_cast<int>(ErrorCode::Internal); ++code) {
    const GstErrorCode mapped = gst_error_code(static_cast<ErrorCode>(code));
    const bool fallback = mapped.domain == GST_CORE_ERROR && mapped.code == GST_CORE_ERROR_FAILED;
    EXPECT_EQ(fallback, static_cast<ErrorCode>(code) == ErrorCode::Cancelled) << code;
  }
  EXPECT_EQ(gst_error_code(ErrorCode::Internal).domain, GST_LIBRARY_ERROR);
}

}  // namespace resnetft::testing
