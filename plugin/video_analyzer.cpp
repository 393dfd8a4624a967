// SPDX-License-Identifier: MIT
#include "video_analyzer.h"

#include <atomic>
#include <chrono>
#include <exception>

#include "error_report.h"
#include "frame_view.h"
#include "gst_cuda.h"
#include "stream_clock.h"

GST_DEBUG_CATEGORY_STATIC(resnet_video_analyzer_debug);
#define GST_CAT_DEFAULT resnet_video_analyzer_debug

namespace resnetft {

struct VideoAnalyzerState {
  std::atomic<bool> interrupted = false;
  Lateness lateness;
  LatencyMeter latency;

  // Streaming thread only (and start(), when there is none).
  GstVideoInfo info = {};
  std::string stream_id;
  Orientation orientation = Orientation::Normal;
  uint64_t processed = 0;
  uint64_t skipped = 0;
  bool failed = false;
};

}  // namespace resnetft

using resnetft::Error;
using resnetft::ErrorCode;
using resnetft::FrameTime;
using resnetft::FrameWork;
using resnetft::ResetReason;
using resnetft::Result;
using resnetft::Status;
using resnetft::VideoAnalyzerState;
using resnetft::VideoFrame;

G_DEFINE_ABSTRACT_TYPE(GstResnetVideoAnalyzer, gst_resnet_video_analyzer, GST_TYPE_BASE_TRANSFORM)

namespace {

using Clock = std::chrono::steady_clock;

GstResnetVideoAnalyzerClass* class_of(GstResnetVideoAnalyzer* self) {
  return G_TYPE_INSTANCE_GET_CLASS(self, GST_TYPE_RESNET_VIDEO_ANALYZER, GstResnetVideoAnalyzerClass);
}

GstBaseTransformClass* parent_class() { return GST_BASE_TRANSFORM_CLASS(gst_resnet_video_analyzer_parent_class); }

// Nothing may leave a callback of GObject's: what the standard library throws becomes an Error.
template <class T, class Call>
Result<T> guarded(Call call) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::OutOfMemory, "memory ran out", "use a smaller model or fewer elements"};
  } catch (const std::exception& exception) {
    return Error{ErrorCode::Internal, exception.what(), "please report this"};
  }
}

void reset_stream(GstResnetVideoAnalyzer* self, ResetReason reason) {
  self->state->lateness.reset();
  class_of(self)->reset(self, reason, self->state->stream_id);
}

// ---- Frames ----

FrameTime time_of(GstBaseTransform* transform, GstBuffer* buffer) {
  const GstClockTime timestamp = GST_BUFFER_PTS(buffer);
  const GstSegment* segment = &transform->segment;
  const bool known = GST_CLOCK_TIME_IS_VALID(timestamp) && segment->format == GST_FORMAT_TIME;
  return {timestamp, GST_BUFFER_DURATION(buffer),
          known ? gst_segment_to_running_time(segment, GST_FORMAT_TIME, timestamp) : GST_CLOCK_TIME_NONE,
          known ? gst_segment_to_stream_time(segment, GST_FORMAT_TIME, timestamp) : GST_CLOCK_TIME_NONE};
}

void post_latency_when_moved(GstResnetVideoAnalyzer* self) {
  if (!self->state->latency.moved()) return;
  self->state->latency.announce();
  gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
}

void before_transform(GstBaseTransform* transform, GstBuffer* buffer) {
  auto* self = GST_RESNET_VIDEO_ANALYZER(transform);
  const GstClockTime stream_time = time_of(transform, buffer).stream_time;
  if (GST_CLOCK_TIME_IS_VALID(stream_time)) gst_object_sync_values(GST_OBJECT(self), stream_time);

  // Here and nowhere else: the base class reads the flag twice a buffer.
  const bool passthrough = !class_of(self)->wants_frames(self);
  if (passthrough == static_cast<bool>(gst_base_transform_is_passthrough(transform))) return;
  gst_base_transform_set_passthrough(transform, passthrough);
  class_of(self)->reset(self, ResetReason::Switched, self->state->stream_id);
  gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
}

GstFlowReturn transform_ip(GstBaseTransform* transform, GstBuffer* buffer) {
  auto* self = GST_RESNET_VIDEO_ANALYZER(transform);
  VideoAnalyzerState& state = *self->state;
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP)) return GST_FLOW_OK;

  const FrameTime time = time_of(transform, buffer);
  const bool late = GST_CLOCK_TIME_IS_VALID(time.running_time) && state.lateness.late(time.running_time);
  const VideoFrame frame{buffer,          state.info, state.orientation,          time,
                         state.stream_id, late,       transform->segment.rate < 0};
  const Clock::time_point start = Clock::now();
  const Result<FrameWork> work = guarded<FrameWork>([&] { return class_of(self)->analyze(self, frame); });
  if (!work) {
    if (!std::exchange(state.failed, true)) resnetft::post_error(GST_ELEMENT(self), work.error());
    return GST_FLOW_ERROR;
  }
  if (*work == FrameWork::Worked) {
    ++state.processed;
    state.latency.add(std::chrono::nanoseconds(Clock::now() - start).count());
    post_latency_when_moved(self);
  }
  return GST_FLOW_OK;
}

// ---- Events and queries ----

void take_tags(GstResnetVideoAnalyzer* self, GstEvent* event) {
  GstTagList* tags = nullptr;
  gst_event_parse_tag(event, &tags);
  resnetft::orientation_from_tags(tags, &self->state->orientation);
}

gboolean sink_event(GstBaseTransform* transform, GstEvent* event) {
  auto* self = GST_RESNET_VIDEO_ANALYZER(transform);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START: {
      const gchar* stream_id = nullptr;
      gst_event_parse_stream_start(event, &stream_id);
      self->state->stream_id = stream_id ? stream_id : "";
      self->state->orientation = resnetft::Orientation::Normal;
      reset_stream(self, ResetReason::StreamStart);
      break;
    }
    case GST_EVENT_TAG:
      take_tags(self, event);
      break;
    case GST_EVENT_FLUSH_START:
      self->state->interrupted = true;
      break;
    case GST_EVENT_FLUSH_STOP:
      self->state->interrupted = false;
      reset_stream(self, ResetReason::FlushStop);
      break;
    case GST_EVENT_EOS:
      class_of(self)->finish(self);
      break;
    default:
      break;
  }
  return parent_class()->sink_event(transform, event);
}

// A shut-down makes the source pad flush before the sink pad. An event that fails in between is no error of the stream,
// but GstBaseTransform of 1.22 has only FALSE for it, of which the core makes GST_FLOW_ERROR and a source an error
// message.
GstFlowReturn sink_event_full(GstPad* pad, GstObject* parent, GstEvent* event) {
  GstBaseTransform* transform = GST_BASE_TRANSFORM(parent);
  const bool is_caps = GST_EVENT_TYPE(event) == GST_EVENT_CAPS;
  if (GST_BASE_TRANSFORM_GET_CLASS(transform)->sink_event(transform, event)) return GST_FLOW_OK;
  if (GST_PAD_IS_FLUSHING(transform->srcpad) || GST_PAD_IS_FLUSHING(pad)) return GST_FLOW_FLUSHING;
  return is_caps ? GST_FLOW_NOT_NEGOTIATED : GST_FLOW_ERROR;
}

// QoS is taken here and passed on: the base class would drop frames by it.
gboolean src_event(GstBaseTransform* transform, GstEvent* event) {
  auto* self = GST_RESNET_VIDEO_ANALYZER(transform);
  if (GST_EVENT_TYPE(event) == GST_EVENT_QOS) {
    gdouble proportion = 1;
    GstClockTimeDiff jitter = 0;
    GstClockTime running_time = 0;
    gst_event_parse_qos(event, nullptr, &proportion, &jitter, &running_time);
    if (GST_CLOCK_TIME_IS_VALID(running_time)) self->state->lateness.observe(proportion, jitter, running_time);
    return gst_pad_push_event(transform->sinkpad, event);
  }
  if (GST_EVENT_TYPE(event) == GST_EVENT_RECONFIGURE) class_of(self)->renegotiated(self);
  return parent_class()->src_event(transform, event);
}

bool answer_latency(GstBaseTransform* transform, GstQuery* query) {
  if (!gst_pad_peer_query(transform->sinkpad, query)) return false;
  if (gst_base_transform_is_passthrough(transform)) return true;
  gboolean live = FALSE;
  GstClockTime min = 0, max = 0;
  gst_query_parse_latency(query, &live, &min, &max);
  const GstClockTime own = GST_RESNET_VIDEO_ANALYZER(transform)->state->latency.announce();
  gst_query_set_latency(query, live, min + own, GST_CLOCK_TIME_IS_VALID(max) ? max + own : max);
  return true;
}

gboolean query(GstBaseTransform* transform, GstPadDirection direction, GstQuery* query) {
  if (direction == GST_PAD_SRC && GST_QUERY_TYPE(query) == GST_QUERY_LATENCY) return answer_latency(transform, query);
  return parent_class()->query(transform, direction, query);
}

// In place, whatever downstream proposes is its own promise; a crop that nobody applies to the drawn label is not ours
// to pass on.
gboolean propose_allocation(GstBaseTransform* transform, GstQuery* decide_query, GstQuery* query) {
  if (!parent_class()->propose_allocation(transform, decide_query, query)) return FALSE;
  guint index = 0;
  while (gst_query_find_allocation_meta(query, GST_VIDEO_CROP_META_API_TYPE, &index))
    gst_query_remove_nth_allocation_meta(query, index);
  return TRUE;
}

// ---- Caps ----

bool is_gpu_memory(const GstCapsFeatures* features) {
  return !gst_caps_features_is_any(features) && gst_caps_features_contains(features, resnetft::kCudaMemoryFeature);
}

GstCaps* in_host_memory(GstCaps* caps) {
  if (gst_caps_is_any(caps)) return gst_caps_ref(caps);
  GstCaps* result = gst_caps_new_empty();
  for (guint i = 0; i < gst_caps_get_size(caps); ++i)
    if (!is_gpu_memory(gst_caps_get_features(caps, i))) gst_caps_append(result, gst_caps_copy_nth(caps, i));
  return result;
}

// A stream that began in a GPU's memory goes on there: should a later model run on the CPU, it could not be negotiated
// anew, and would end.
bool flows_in_gpu_memory(GstBaseTransform* transform) {
  const auto caps = resnetft::GRef<GstCaps>::adopt(gst_pad_get_current_caps(GST_BASE_TRANSFORM_SINK_PAD(transform)));
  return caps && is_gpu_memory(gst_caps_get_features(caps.get(), 0));
}

GstCaps* transform_caps(GstBaseTransform* transform, GstPadDirection, GstCaps* caps, GstCaps* filter) {
  auto* self = GST_RESNET_VIDEO_ANALYZER(transform);
  const bool any_memory = class_of(self)->takes_gpu_memory(self) || flows_in_gpu_memory(transform);
  GstCaps* possible = any_memory ? gst_caps_ref(caps) : in_host_memory(caps);
  if (!filter) return possible;
  const auto all = resnetft::GRef<GstCaps>::adopt(possible);
  return gst_caps_intersect_full(filter, all.get(), GST_CAPS_INTERSECT_FIRST);
}

// ---- Life ----

gboolean set_caps(GstBaseTransform* transform, GstCaps* in_caps, GstCaps*) {
  auto* self = GST_RESNET_VIDEO_ANALYZER(transform);
  if (!gst_video_info_from_caps(&self->state->info, in_caps)) {
    GST_ERROR_OBJECT(self, "these are no video caps: %" GST_PTR_FORMAT, static_cast<void*>(in_caps));
    return FALSE;
  }
  class_of(self)->renegotiated(self);
  return TRUE;
}

gboolean start(GstBaseTransform* transform) {
  auto* self = GST_RESNET_VIDEO_ANALYZER(transform);
  VideoAnalyzerState& state = *self->state;
  state.lateness.reset();
  state.stream_id.clear();
  state.orientation = resnetft::Orientation::Normal;
  state.processed = state.skipped = 0;
  state.failed = false;
  const Result<resnetft::Success> status =
      guarded<resnetft::Success>([&]() -> Result<resnetft::Success> { return class_of(self)->start(self); });
  if (!status) resnetft::post_error(GST_ELEMENT(self), status.error());
  return status.ok();
}

gboolean stop(GstBaseTransform* transform) {
  auto* self = GST_RESNET_VIDEO_ANALYZER(transform);
  class_of(self)->stop(self);
  gst_base_transform_set_passthrough(transform, FALSE);
  return TRUE;
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  VideoAnalyzerState& state = *GST_RESNET_VIDEO_ANALYZER(element)->state;
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) state.interrupted = false;
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) state.interrupted = true;
  return GST_ELEMENT_CLASS(gst_resnet_video_analyzer_parent_class)->change_state(element, transition);
}

void finalize(GObject* object) {
  delete GST_RESNET_VIDEO_ANALYZER(object)->state;
  G_OBJECT_CLASS(gst_resnet_video_analyzer_parent_class)->finalize(object);
}

// A composition that comes from upstream travels on with its frames, so caps with its feature are taken too.
std::string caps_in_memory(const std::string& memory, const std::string& fields) {
  return "video/x-raw(" + memory + "), " + fields + "; video/x-raw(" + memory +
         ", " GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION "), " + fields;
}

// A GPU's memory comes first: who could give either need not copy.
void add_pad_templates(GstElementClass* element_class) {
  const std::string cuda = resnetft::cuda_caps_text();
  std::string text = cuda.empty() ? "" : caps_in_memory(resnetft::kCudaMemoryFeature, cuda) + "; ";
  text += caps_in_memory(GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY, resnetft::video_caps_text());
  const auto caps = resnetft::GRef<GstCaps>::adopt(gst_caps_from_string(text.c_str()));
  gst_element_class_add_pad_template(element_class,
                                     gst_pad_template_new("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps.get()));
  gst_element_class_add_pad_template(element_class,
                                     gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps.get()));
}

}  // namespace

static void gst_resnet_video_analyzer_class_init(GstResnetVideoAnalyzerClass* klass) {
  GST_DEBUG_CATEGORY_INIT(resnet_video_analyzer_debug, "resnetanalyzer", 0, "base of the resnet elements");
  G_OBJECT_CLASS(klass)->finalize = finalize;
  GST_ELEMENT_CLASS(klass)->change_state = change_state;
  add_pad_templates(GST_ELEMENT_CLASS(klass));

  GstBaseTransformClass* transform_class = GST_BASE_TRANSFORM_CLASS(klass);
  transform_class->start = start;
  transform_class->stop = stop;
  transform_class->transform_caps = transform_caps;
  transform_class->set_caps = set_caps;
  transform_class->before_transform = before_transform;
  transform_class->transform_ip = transform_ip;
  transform_class->transform_ip_on_passthrough = FALSE;
  transform_class->sink_event = sink_event;
  transform_class->src_event = src_event;
  transform_class->query = query;
  transform_class->propose_allocation = propose_allocation;

  const auto nothing = [](GstResnetVideoAnalyzer*) {};
  klass->start = [](GstResnetVideoAnalyzer*) { return Status::success(); };
  klass->stop = nothing;
  klass->takes_gpu_memory = [](GstResnetVideoAnalyzer*) { return true; };
  klass->wants_frames = [](GstResnetVideoAnalyzer*) { return true; };
  klass->analyze = [](GstResnetVideoAnalyzer*, const VideoFrame&) -> Result<FrameWork> { return FrameWork::Passed; };
  klass->reset = [](GstResnetVideoAnalyzer*, ResetReason, const std::string&) {};
  klass->finish = nothing;
  klass->renegotiated = nothing;
}

static void gst_resnet_video_analyzer_init(GstResnetVideoAnalyzer* self) {
  self->state = new VideoAnalyzerState;
  gst_base_transform_set_in_place(GST_BASE_TRANSFORM(self), TRUE);
  gst_pad_set_event_full_function(GST_BASE_TRANSFORM_SINK_PAD(self), sink_event_full);
}

bool gst_resnet_video_analyzer_interrupted(GstResnetVideoAnalyzer* self) { return self->state->interrupted; }

void gst_resnet_video_analyzer_expect_latency(GstResnetVideoAnalyzer* self, int64_t ns) {
  self->state->latency.reset(ns);
}

void gst_resnet_video_analyzer_skipped(GstResnetVideoAnalyzer* self, const VideoFrame& frame) {
  VideoAnalyzerState& state = *self->state;
  ++state.skipped;
  GstMessage* message = gst_message_new_qos(GST_OBJECT(self), FALSE, frame.time.running_time, frame.time.stream_time,
                                            frame.time.timestamp, frame.time.duration);
  gst_message_set_qos_values(message, state.lateness.behind_ns(frame.time.running_time), state.lateness.proportion(),
                             1000000);
  gst_message_set_qos_stats(message, GST_FORMAT_BUFFERS, state.processed, state.skipped);
  gst_element_post_message(GST_ELEMENT(self), message);
}
