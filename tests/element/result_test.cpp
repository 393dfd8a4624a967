// SPDX-License-Identifier: MIT
// What an application is told: metas, messages, signals, properties.
#include <gst/controller/controller.h>

#include <cmath>

#include "element_harness.h"

namespace resnetft::testing {
namespace {

using ResultTest = ElementTest;

// softmax of ten times the colour, worked out by hand for a pure colour: e^10 / (e^10 + 2).
const double kPure = std::exp(10.0) / (std::exp(10.0) + 2);

unsigned array_size(const GstStructure* structure, const char* field) {
  const GValue* array = structure ? gst_structure_get_value(structure, field) : nullptr;
  return array ? gst_value_array_get_size(array) : 0;
}

const GstStructure* top_of(const GstStructure* structure, unsigned index) {
  return gst_value_get_structure(gst_value_array_get_value(gst_structure_get_value(structure, "top"), index));
}

}  // namespace

TEST_F(ResultTest, TheCustomMetaHoldsEveryNamedField) {
  ElementHarness harness({{"model-file", color_file()}, {"top-k", "2"}});
  GstBuffer* out = harness.process(rgb_frame(kGreen, 32, 32, 3));
  const GstStructure* meta = classification_of(out);
  ASSERT_NE(meta, nullptr);
  EXPECT_EQ(text_field(meta, "label"), "green");
  gint label_id = -1;
  EXPECT_TRUE(gst_structure_get_int(meta, "label-id", &label_id));
  EXPECT_EQ(label_id, 1);
  EXPECT_NEAR(double_field(meta, "confidence"), kPure, 1e-4);
  EXPECT_EQ(uint64_field(meta, "timestamp"), 100000000U);
  EXPECT_EQ(uint64_field(meta, "stream-time"), 100000000U);
  EXPECT_EQ(uint64_field(meta, "running-time"), 100000000U);
  EXPECT_EQ(uint64_field(meta, "duration"), GST_SECOND / 30);
  EXPECT_EQ(uint64_field(meta, "model-generation"), 1U);
  EXPECT_EQ(uint_field(meta, "age-frames"), 0U);
  EXPECT_NE(text_field(meta, "stream-id"), "<none>");
  ASSERT_EQ(array_size(meta, "top"), 2U);
  EXPECT_EQ(text_field(top_of(meta, 0), "label"), "green");
  EXPECT_EQ(text_field(top_of(meta, 1), "label"), "red");  // ties: the lower id first
  EXPECT_FALSE(gst_structure_has_field(meta, "embedding"));
  gst_buffer_unref(out);
}

TEST_F(ResultTest, TopKZeroNamesAllClasses) {
  ElementHarness harness({{"model-file", color_file()}, {"top-k", "0"}});
  GstBuffer* out = harness.process(rgb_frame(kGreen, 32, 32, 0));
  EXPECT_EQ(array_size(classification_of(out), "top"), 3U);
  gst_buffer_unref(out);
}

TEST_F(ResultTest, TheEmbeddingIsAttachedOnRequest) {
  ElementHarness harness({{"model-file", color_file()}, {"attach-embedding", "true"}});
  GstBuffer* out = harness.process(rgb_frame(kGreen, 32, 32, 0));
  const GstStructure* meta = classification_of(out);
  ASSERT_EQ(array_size(meta, "embedding"), 64U);
  const auto value = [&](const char* field, int64_t index) {
    return g_value_get_float(
        gst_value_array_get_value(gst_structure_get_value(meta, field), static_cast<guint>(index)));
  };
  EXPECT_NEAR(value("embedding", color_feature(0)), 0.0, 1e-4);
  EXPECT_NEAR(value("embedding", color_feature(1)), 1.0, 1e-4);
  ASSERT_EQ(array_size(meta, "logits"), 3U);
  EXPECT_NEAR(value("logits", 1), kColorGain, 1e-3);
  gst_buffer_unref(out);
}

TEST_F(ResultTest, MetaNoneAttachesNothing) {
  ElementHarness harness({{"model-file", color_file()}});
  g_object_set(harness.element(), "meta", 0, nullptr);
  EXPECT_EQ(harness.label_of(kRed), "<none>");
}

TEST_F(ResultTest, LabelsMayHoldSpacesQuotesAndUtf8) {
  const std::string label = "Katze, \"groß\" = ja; {a}";
  ElementHarness harness({{"model-file", save("l.safetensors", stubborn_model(label))}});
  EXPECT_EQ(harness.label_of(kRed), label);
  EXPECT_EQ(text_field(harness.events("classification").at(0).fields.get(), "label"), label);
}

TEST_F(ResultTest, OnChangeAMessageTellsOfEachNewLabel) {
  ElementHarness harness({{"model-file", color_file()}});
  for (const Color& color : {kRed, kRed, kGreen, kGreen, kRed}) harness.label_of(color);
  std::string told;
  for (const BusMessage& message : harness.messages())
    if (message.event == "classification" || message.event == "label-changed")
      told += message.event.substr(0, 1) + ":" + text_field(message.fields.get(), "label") + "<" +
              (message.event == "label-changed" ? text_field(message.fields.get(), "old-label") : "") + " ";
  EXPECT_EQ(told, "c:red< l:red< c:green< l:green<red c:red< l:red<green ");
}

TEST_F(ResultTest, AlwaysAMessageTellsOfEveryFrameWithItsAge) {
  ElementHarness harness({{"model-file", color_file()}, {"post-messages", "always"}, {"inference-interval", "2"}});
  for (int i = 0; i < 4; ++i) harness.label_of(kRed);
  std::vector<unsigned> ages;
  for (const BusMessage& message : harness.events("classification"))
    ages.push_back(uint_field(message.fields.get(), "age-frames"));
  EXPECT_EQ(ages, (std::vector<unsigned>{0, 1, 0, 1}));
}

TEST_F(ResultTest, NeverNoMessageTellsOfAFrame) {
  ElementHarness harness({{"model-file", color_file()}, {"post-messages", "never"}});
  for (const Color& color : {kRed, kGreen}) harness.label_of(color);
  for (const BusMessage& message : harness.messages()) {
    EXPECT_NE(message.event, "classification");
    EXPECT_NE(message.event, "label-changed");
  }
}

TEST_F(ResultTest, TheSignalLabelChangedNamesNewAndOldLabel) {
  ElementHarness harness({{"model-file", color_file()}, {"post-messages", "never"}});
  std::string heard;
  const auto handler =
      +[](GstElement*, const gchar* now, const gchar* old, gdouble confidence, guint64 running_time, gpointer user) {
        EXPECT_NEAR(confidence, kPure, 1e-4);
        *static_cast<std::string*>(user) +=
            std::string(now) + "<" + old + "@" + std::to_string(running_time / GST_MSECOND) + " ";
      };
  g_signal_connect(harness.element(), "label-changed", G_CALLBACK(handler), &heard);
  for (const Color& color : {kRed, kRed, kBlue}) harness.label_of(color);
  EXPECT_EQ(heard, "red<@0 blue<red@66 ");
}

TEST_F(ResultTest, BelowTheThresholdTheUnknownLabelIsShown) {
  ElementHarness harness({{"model-file", color_file()}, {"threshold", "0.9"}, {"unknown-label", "no idea"}});
  EXPECT_EQ(harness.label_of(kRed), "red");
  EXPECT_EQ(harness.label_of({128, 128, 128}), "no idea");  // a third each
  harness.set("threshold", "0.3");
  EXPECT_EQ(harness.label_of({128, 128, 128}), "red");
}

TEST_F(ResultTest, BelowTheThresholdWithoutAnUnknownLabelThereIsNoLabel) {
  ElementHarness harness({{"model-file", color_file()}, {"threshold", "0.9"}});
  EXPECT_EQ(harness.label_of({128, 128, 128}), "");
}

TEST_F(ResultTest, TheThresholdFollowsItsControllerInStreamTime) {
  ElementHarness harness({{"model-file", color_file()}, {"unknown-label", "unknown"}});
  GstControlSource* source = gst_interpolation_control_source_new();
  g_object_set(source, "mode", GST_INTERPOLATION_MODE_NONE, nullptr);
  gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(source), 0, 0.0);
  gst_timed_value_control_source_set(GST_TIMED_VALUE_CONTROL_SOURCE(source), GST_SECOND, 1.0);
  gst_object_add_control_binding(GST_OBJECT(harness.element()),
                                 gst_direct_control_binding_new(GST_OBJECT(harness.element()), "threshold", source));
  const auto label_at = [&](uint64_t index) {
    GstBuffer* out = harness.process(rgb_frame({128, 128, 128}, 32, 32, index));
    const std::string label = text_field(classification_of(out), "label");
    gst_buffer_unref(out);
    return label;
  };
  EXPECT_EQ(label_at(29), "red");
  EXPECT_EQ(label_at(31), "unknown");
  gst_object_unref(source);
}

TEST_F(ResultTest, AMajorityOfThreeOutweighsOneOtherFrame) {
  ElementHarness harness({{"model-file", color_file()}, {"smoothing", "majority"}, {"smoothing-window", "3"}});
  std::string shown;
  for (const Color& color : {kRed, kRed, kGreen, kGreen, kRed, kGreen}) shown += harness.label_of(color) + " ";
  EXPECT_EQ(shown, "red red red green green green ");
}

TEST_F(ResultTest, AnAverageOverThreeFramesFollowsWithItsWeight) {
  // Each new frame weighs 2 / (3 + 1) = 1/2: after one green frame red and green have half each; after two, green has
  // three quarters.
  ElementHarness harness({{"model-file", color_file()}, {"smoothing", "ema"}, {"smoothing-window", "3"}});
  harness.label_of(kRed);
  GstBuffer* out = harness.process(rgb_frame(kGreen, 32, 32, 1));
  EXPECT_NEAR(double_field(classification_of(out), "confidence"), 0.5, 1e-3);
  gst_buffer_unref(out);
  out = harness.process(rgb_frame(kGreen, 32, 32, 2));
  EXPECT_EQ(text_field(classification_of(out), "label"), "green");
  EXPECT_NEAR(double_field(classification_of(out), "confidence"), 0.75, 1e-3);
  gst_buffer_unref(out);
}

TEST_F(ResultTest, AShownLabelStaysForItsDwell) {
  // 100 ms are three frames of 1/30 s: red is shown at 0, may go at frame 3.
  ElementHarness harness({{"model-file", color_file()}, {"min-dwell", "100000000"}});
  std::string shown;
  for (const Color& color : {kRed, kGreen, kBlue, kGreen, kRed}) shown += harness.label_of(color) + " ";
  EXPECT_EQ(shown, "red red red green green ");
}

TEST_F(ResultTest, ANewStreamForgetsWhatWasSmoothed) {
  ElementHarness harness({{"model-file", color_file()}, {"smoothing", "majority"}});
  for (int i = 0; i < 5; ++i) harness.label_of(kRed);
  gst_harness_push_event(harness.get(), gst_event_new_stream_start("another"));
  EXPECT_EQ(harness.label_of(kGreen), "green");
}

TEST_F(ResultTest, AFlushForgetsWhatWasCarried) {
  ElementHarness harness({{"model-file", color_file()}, {"inference-interval", "100"}});
  EXPECT_EQ(harness.label_of(kRed), "red");
  EXPECT_EQ(harness.label_of(kGreen), "red");
  gst_harness_push_event(harness.get(), gst_event_new_flush_start());
  gst_harness_push_event(harness.get(), gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(harness.get(), gst_event_new_segment(&segment));
  EXPECT_EQ(harness.label_of(kGreen), "green");
}

TEST_F(ResultTest, BackwardsNothingIsCarriedOver) {
  ElementHarness harness({{"model-file", color_file()}, {"inference-interval", "2"}});
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.rate = -1;
  segment.stop = GST_SECOND;
  gst_harness_push_event(harness.get(), gst_event_new_segment(&segment));
  std::string shown;
  for (const Color& color : {kRed, kGreen, kBlue, kGreen}) shown += harness.label_of(color) + " ";
  EXPECT_EQ(shown, "red <none> blue <none> ");
}

TEST_F(ResultTest, AGapFramePassesWithoutAResult) {
  ElementHarness harness({{"model-file", color_file()}});
  GstBuffer* gap = rgb_frame(kRed, 32, 32, 0);
  GST_BUFFER_FLAG_SET(gap, GST_BUFFER_FLAG_GAP);
  GstBuffer* out = harness.process(gap);
  EXPECT_EQ(classification_of(out), nullptr);
  EXPECT_TRUE(GST_BUFFER_FLAG_IS_SET(out, GST_BUFFER_FLAG_GAP));
  gst_buffer_unref(out);
}

TEST_F(ResultTest, ReadOnlyPropertiesTellOfTheModel) {
  ElementHarness harness({{"model-file", color_file()}});
  guint classes = 0;
  guint64 generation = 0;
  gchar** labels = nullptr;
  gchar* hash = nullptr;
  g_object_get(harness.element(), "num-classes", &classes, "model-generation", &generation, "labels", &labels,
               "model-hash", &hash, nullptr);
  EXPECT_EQ(classes, 3U);
  EXPECT_EQ(generation, 1U);
  ASSERT_EQ(g_strv_length(labels), 3U);
  EXPECT_STREQ(labels[2], "blue");
  EXPECT_EQ(std::string(hash), load_model(folder_.file("color.safetensors")).value()->sha256());
  g_strfreev(labels);
  g_free(hash);
}

TEST_F(ResultTest, StatsCountFramesAndTimeStages) {
  ElementHarness harness({{"model-file", color_file()}, {"inference-interval", "2"}});
  for (int i = 0; i < 10; ++i) harness.label_of(kRed);
  GstStructure* stats = nullptr;
  g_object_get(harness.element(), "stats", &stats, nullptr);
  EXPECT_EQ(uint64_field(stats, "frames"), 10U);
  EXPECT_EQ(uint64_field(stats, "inferred"), 5U);
  EXPECT_EQ(uint64_field(stats, "carried"), 5U);
  EXPECT_EQ(uint64_field(stats, "skipped-late"), 0U);
  for (const char* stage : {"preprocess", "inference", "total"}) {
    const uint64_t p50 = uint64_field(stats, (stage + std::string("-p50")).c_str()),
                   p95 = uint64_field(stats, (stage + std::string("-p95")).c_str()),
                   p99 = uint64_field(stats, (stage + std::string("-p99")).c_str());
    EXPECT_GT(p50, 0U) << stage;
    EXPECT_LE(p50, p95) << stage;
    EXPECT_LE(p95, p99) << stage;
  }
  gst_structure_free(stats);
}

TEST_F(ResultTest, AtTheEndAMessageTellsTheStats) {
  ElementHarness harness({{"model-file", color_file()}});
  harness.label_of(kRed);
  gst_harness_push_event(harness.get(), gst_event_new_eos());
  const std::vector<BusMessage> stats = harness.events("stats");  // one comes every ten seconds, too
  ASSERT_FALSE(stats.empty());
  EXPECT_EQ(uint64_field(stats.back().fields.get(), "inferred"), 1U);
}

TEST_F(ResultTest, ASampleIsClassifiedInTheCallersThread) {
  ElementHarness harness({{"model-file", color_file()}, {"top-k", "3"}});
  GstBuffer* buffer = rgb_frame(kBlue, 48, 20, 0);
  GstCaps* caps = gst_caps_from_string(rgb_caps(48, 20).c_str());
  GstSample* sample = gst_sample_new(buffer, caps, nullptr, nullptr);
  GstStructure* result = nullptr;
  g_signal_emit_by_name(harness.element(), "classify-sample", sample, &result);
  ASSERT_NE(result, nullptr);
  EXPECT_EQ(text_field(result, "label"), "blue");
  EXPECT_EQ(array_size(result, "top"), 3U);
  EXPECT_EQ(uint64_field(result, "model-generation"), 1U);
  gst_structure_free(result);
  gst_sample_unref(sample);
  gst_caps_unref(caps);
  gst_buffer_unref(buffer);
}

TEST_F(ResultTest, ASampleWithoutAFrameGivesNothingAndAWarning) {
  ElementHarness harness({{"model-file", color_file()}});
  GstSample* sample = gst_sample_new(nullptr, nullptr, nullptr, nullptr);
  GstStructure* result = nullptr;
  g_signal_emit_by_name(harness.element(), "classify-sample", sample, &result);
  EXPECT_EQ(result, nullptr);
  gst_sample_unref(sample);
  bool warned = false;
  for (const BusMessage& message : harness.messages())
    warned |= message.type == GST_MESSAGE_WARNING && message.text.find("no video frame") != std::string::npos;
  EXPECT_TRUE(warned);
}

}  // namespace resnetft::testing
