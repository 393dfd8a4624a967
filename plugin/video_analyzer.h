// SPDX-License-Identifier: MIT
// The abstract base type of the elements: an in-place transform that passes every frame on and never stalls a
// pipeline. The rules that GStreamer asks of such an element live here once: caps, QoS, latency, passthrough,
// controlled properties, flushes, tags, allocation, errors.
#pragma once

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>

#include <string>

#include "resnetft/error.h"
#include "resnetft/image.h"

namespace resnetft {

struct VideoAnalyzerState;

// GST_CLOCK_TIME_NONE where unknown.
struct FrameTime {
  GstClockTime timestamp;
  GstClockTime duration;
  GstClockTime running_time;
  GstClockTime stream_time;
};

// A frame on the streaming thread. `buffer` is writable, its memory need not be.
struct VideoFrame {
  GstBuffer* buffer;
  const GstVideoInfo& info;
  Orientation orientation;  // from the stream's image-orientation tag
  FrameTime time;
  const std::string& stream_id;
  bool late;     // a sink said that frames of this running time come too late
  bool reverse;  // the segment's rate is below 0
};

// Why what was carried from frame to frame is void. Switched: wants_frames() says otherwise than for the frame before.
enum class ResetReason { StreamStart, FlushStop, Switched };

// What analyze() did with a frame: only Worked counts for the latency.
enum class FrameWork { Passed, Worked };

}  // namespace resnetft

#define GST_TYPE_RESNET_VIDEO_ANALYZER (gst_resnet_video_analyzer_get_type())

struct GstResnetVideoAnalyzer {
  GstBaseTransform parent;
  resnetft::VideoAnalyzerState* state;
};

struct GstResnetVideoAnalyzerClass {
  GstBaseTransformClass parent_class;

  // READY to PAUSED: does everything or undoes everything; the error is posted by the caller.
  resnetft::Status (*start)(GstResnetVideoAnalyzer* self);
  void (*stop)(GstResnetVideoAnalyzer* self);

  // Caps may name a GPU's memory now; where a stream's do already, they may anyway. From any thread.
  bool (*takes_gpu_memory)(GstResnetVideoAnalyzer* self);

  // All below on the streaming thread. false: frames pass untouched, at no cost.
  bool (*wants_frames)(GstResnetVideoAnalyzer* self);
  // An error ends the stream: it is posted once, and GST_FLOW_ERROR goes upstream.
  resnetft::Result<resnetft::FrameWork> (*analyze)(GstResnetVideoAnalyzer* self, const resnetft::VideoFrame& frame);
  void (*reset)(GstResnetVideoAnalyzer* self, resnetft::ResetReason reason, const std::string& stream_id);
  // EOS, before it goes on; may wait until gst_resnet_video_analyzer_interrupted().
  void (*finish)(GstResnetVideoAnalyzer* self);
  // The output's caps or what is downstream of them may have changed.
  void (*renegotiated)(GstResnetVideoAnalyzer* self);
};

GType gst_resnet_video_analyzer_get_type();

#define GST_RESNET_VIDEO_ANALYZER(object) \
  (G_TYPE_CHECK_INSTANCE_CAST((object), GST_TYPE_RESNET_VIDEO_ANALYZER, GstResnetVideoAnalyzer))
#define GST_RESNET_VIDEO_ANALYZER_CLASS(klass) \
  (G_TYPE_CHECK_CLASS_CAST((klass), GST_TYPE_RESNET_VIDEO_ANALYZER, GstResnetVideoAnalyzerClass))

// The streaming thread should come back soon: a flush or a shut-down is under way. Thread-safe.
bool gst_resnet_video_analyzer_interrupted(GstResnetVideoAnalyzer* self);

// A first guess of the time that a frame takes, before one was measured. Thread-safe.
void gst_resnet_video_analyzer_expect_latency(GstResnetVideoAnalyzer* self, int64_t ns);

// Counts `frame` as passed without its inference because it was late, and posts the QoS message. Streaming thread.
void gst_resnet_video_analyzer_skipped(GstResnetVideoAnalyzer* self, const resnetft::VideoFrame& frame);
