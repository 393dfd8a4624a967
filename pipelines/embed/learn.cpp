// SPDX-License-Identifier: MIT
// Teaches a model in an application of your own: a video is decoded by uridecodebin, its labels come when the pictures
// have passed (the signal label-range), promotions come from the bus, and the finished model goes to a file.
//
// usage: learn BASE-MODEL OUTPUT URI FROM-TO=LABEL..., times in seconds
#include <gst/gst.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace {

struct Unref {
  void operator()(GstElement* element) const { gst_object_unref(element); }
  void operator()(GstPad* pad) const { gst_object_unref(pad); }
  void operator()(GstBus* bus) const { gst_object_unref(bus); }
  void operator()(GstMessage* message) const { gst_message_unref(message); }
};
template <class T>
using Owned = std::unique_ptr<T, Unref>;

struct Range {
  guint64 from, to;
  std::string label;
};

// What the probe works with, on the streaming thread.
struct Labeller {
  GstElement* learner;
  std::vector<Range> ranges;  // by time
  size_t next = 0;
  std::atomic<guint> labelled = 0;

  void label_until(guint64 time) {
    for (; next < ranges.size() && ranges[next].to <= time; ++next) {
      guint count = 0;
      // Both ends belong to the range.
      g_signal_emit_by_name(learner, "label-range", ranges[next].label.c_str(), ranges[next].from, ranges[next].to - 1,
                            &count);
      labelled += count;
    }
  }
};

GstPadProbeReturn passed(GstPad* pad, GstPadProbeInfo* info, gpointer data) {
  GstEvent* event = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0);
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event, &segment);
  const GstClockTime pts = GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info));
  static_cast<Labeller*>(data)->label_until(gst_segment_to_running_time(segment, GST_FORMAT_TIME, pts));
  gst_event_unref(event);
  return GST_PAD_PROBE_OK;
}

// "0-4.5=red apple"
bool parse_range(const char* text, std::vector<Range>& ranges) {
  char* rest = nullptr;
  const double from = std::strtod(text, &rest);
  if (*rest != '-') return false;
  const double to = std::strtod(rest + 1, &rest);
  if (*rest != '=' || !(0 <= from && from < to)) return false;
  ranges.push_back({static_cast<guint64>(from * GST_SECOND), static_cast<guint64>(to * GST_SECOND), rest + 1});
  return true;
}

void print_promotion(const GstStructure* structure) {
  guint64 generation = 0;
  gst_structure_get_uint64(structure, "model-generation", &generation);
  std::printf("generation %llu, %s:", static_cast<unsigned long long>(generation),
              gst_structure_get_string(structure, "candidate-kind"));
  const GValue* labels = gst_structure_get_value(structure, "labels");
  for (guint i = 0; i < gst_value_array_get_size(labels); ++i)
    std::printf(" '%s'", g_value_get_string(gst_value_array_get_value(labels, i)));
  std::printf("\n");
}

// Until the stream ends; false: it ended with an error.
bool follow(GstElement* pipeline) {
  const Owned<GstBus> bus(gst_element_get_bus(pipeline));
  constexpr auto kinds = static_cast<GstMessageType>(GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
  for (;;) {
    const Owned<GstMessage> message(gst_bus_timed_pop_filtered(bus.get(), GST_CLOCK_TIME_NONE, kinds));
    if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS) return true;
    if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_ERROR) {
      GError* error = nullptr;
      gst_message_parse_error(message.get(), &error, nullptr);
      std::fprintf(stderr, "learn: %s\n", error->message);
      g_error_free(error);
      return false;
    }
    const GstStructure* structure = gst_message_get_structure(message.get());
    if (gst_structure_has_name(structure, "resnetfinetune") &&
        g_strcmp0(gst_structure_get_string(structure, "event"), "promoted") == 0)
      print_promotion(structure);
  }
}

int fail(const std::string& text) {
  std::fprintf(stderr, "learn: %s\n", text.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  std::vector<Range> ranges;
  for (int i = 4; i < argc; ++i)
    if (!parse_range(argv[i], ranges)) return fail(std::string("not FROM-TO=LABEL: ") + argv[i]);
  if (ranges.empty()) return fail("usage: learn BASE-MODEL OUTPUT URI FROM-TO=LABEL...");

  const Owned<GstElement> pipeline(gst_parse_launch(
      "uridecodebin name=video ! videoconvert ! resnetfinetune name=learner sample-interval=1 finish-on-eos=true ! "
      "resnetclassify model-instance-id=default ! fakesink",
      nullptr));
  if (!pipeline) return fail("GStreamer lacks an element; is GST_PLUGIN_PATH set?");
  const Owned<GstElement> video(gst_bin_get_by_name(GST_BIN(pipeline.get()), "video"));
  const Owned<GstElement> learner(gst_bin_get_by_name(GST_BIN(pipeline.get()), "learner"));
  g_object_set(video.get(), "uri", argv[3], nullptr);
  g_object_set(learner.get(), "base-model-file", argv[1], nullptr);
  Labeller labeller{.learner = learner.get(), .ranges = std::move(ranges)};
  const Owned<GstPad> pad(gst_element_get_static_pad(learner.get(), "src"));
  gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, passed, &labeller, nullptr);

  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  gboolean saved = FALSE;
  if (follow(pipeline.get())) g_signal_emit_by_name(learner.get(), "save", argv[2], &saved);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  std::printf("%u pictures labelled\n", labeller.labelled.load());
  return saved ? 0 : 1;
}
