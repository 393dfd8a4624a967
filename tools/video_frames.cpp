// SPDX-License-Identifier: MIT
#include "video_frames.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "terminal.h"

#ifdef RESNETFT_HAS_VIDEO
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#endif

namespace resnetft::tool {

namespace fs = std::filesystem;

ImageView VideoPicture::view() const {
  return {.format = PixelFormat::Rgb, .width = width, .height = height, .planes = {rgb.data()}, .strides = {width * 3}};
}

Status check_video_file(const std::string& file) {
  std::error_code reason;
  if (!fs::exists(file, reason))
    return Error{ErrorCode::NotFound, "there is no video '" + file + "'", "check the path"};
  if (!fs::is_regular_file(file, reason)) return Error{ErrorCode::Io, "video '" + file + "' is no file", "name a file"};
  return Status::success();
}

#ifdef RESNETFT_HAS_VIDEO

namespace {

constexpr GstClockTime kPatience = 100 * GST_MSECOND;
constexpr double kSeekAhead_s = 2;  // before what is wanted: a decoder's first pictures may lack what they refer to

struct Unref {
  void operator()(GstElement* element) const { gst_object_unref(element); }
  void operator()(GstSample* sample) const { gst_sample_unref(sample); }
  void operator()(GstMessage* message) const { gst_message_unref(message); }
  void operator()(GstBus* bus) const { gst_object_unref(bus); }
  void operator()(GstQuery* query) const { gst_query_unref(query); }
  void operator()(GError* error) const { g_error_free(error); }
};
template <class T>
using Gst = std::unique_ptr<T, Unref>;

std::optional<uint64_t> valid(guint64 time) {
  return GST_CLOCK_TIME_IS_VALID(time) ? std::optional<uint64_t>(time) : std::nullopt;
}

Result<VideoPicture> picture_of(GstSample* sample) {
  GstBuffer* buffer = gst_sample_get_buffer(sample);
  const GstSegment* segment = gst_sample_get_segment(sample);
  GstVideoInfo info;
  GstVideoFrame frame;
  if (!gst_video_info_from_caps(&info, gst_sample_get_caps(sample)) ||
      !gst_video_frame_map(&frame, &info, buffer, GST_MAP_READ))
    return Error{ErrorCode::Internal, "GStreamer gave a frame that cannot be read", ""};
  VideoPicture picture;
  picture.width = GST_VIDEO_FRAME_WIDTH(&frame);
  picture.height = GST_VIDEO_FRAME_HEIGHT(&frame);
  const auto row_bytes = static_cast<size_t>(picture.width) * 3;
  picture.rgb.resize(row_bytes * static_cast<size_t>(picture.height));
  const auto* plane = static_cast<const uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0));
  for (int y = 0; y < picture.height; ++y)
    std::copy_n(plane + ptrdiff_t{y} * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0), row_bytes,
                picture.rgb.data() + static_cast<size_t>(y) * row_bytes);
  gst_video_frame_unmap(&frame);
  picture.time_ns = valid(gst_segment_to_stream_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer)));
  picture.running_time_ns =
      valid(gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer))).value_or(0);
  return picture;
}

}  // namespace

struct VideoFrames::State {
  State(std::string name, Gst<GstElement> whole)
      : file(std::move(name)),
        pipeline(std::move(whole)),
        sink(gst_bin_get_by_name(GST_BIN(pipeline.get()), "frames")),
        bus(gst_element_get_bus(pipeline.get())) {}
  ~State() { gst_element_set_state(pipeline.get(), GST_STATE_NULL); }

  Error error_of(GstMessage* message) const {
    GError* raw_error = nullptr;
    gst_message_parse_error(message, &raw_error, nullptr);
    const Gst<GError> error(raw_error);
    const bool missing = error->domain == GST_CORE_ERROR && error->code == GST_CORE_ERROR_MISSING_PLUGIN;
    return {missing ? ErrorCode::Incompatible : ErrorCode::CorruptFile, "video '" + file + "': " + error->message,
            missing ? "install gstreamer1.0-libav" : "check that the file is a video and whole"};
  }

  bool is_seekable() const {
    const Gst<GstQuery> query(gst_query_new_seeking(GST_FORMAT_TIME));
    gboolean seekable = FALSE;
    if (gst_element_query(pipeline.get(), query.get()))
      gst_query_parse_seeking(query.get(), nullptr, &seekable, nullptr, nullptr);
    return seekable;
  }

  // False where it fails; the reason comes with the first frame that is asked for.
  bool preroll() const {
    gst_element_set_state(pipeline.get(), GST_STATE_PAUSED);
    GstStateChangeReturn state = GST_STATE_CHANGE_ASYNC;
    while (state == GST_STATE_CHANGE_ASYNC && !interrupted())
      state = gst_element_get_state(pipeline.get(), nullptr, nullptr, kPatience);
    return state == GST_STATE_CHANGE_SUCCESS;
  }

  std::string file;
  Gst<GstElement> pipeline;
  Gst<GstElement> sink;
  Gst<GstBus> bus;
  bool plays = false;
};

Result<VideoFrames> VideoFrames::open(const std::string& file) {
  if (Status status = check_video_file(file); !status) return status.error();
  gst_init(nullptr, nullptr);
  GError* raw_error = nullptr;
  Gst<GstElement> pipeline(gst_parse_launch(
      "filesrc name=file ! decodebin caps=video/x-raw(ANY) expose-all-streams=false ! videoconvert ! "
      "videoflip video-direction=auto ! video/x-raw,format=RGB ! appsink name=frames sync=false max-buffers=4",
      &raw_error));
  const Gst<GError> error(raw_error);
  if (error || !pipeline)
    return Error{ErrorCode::DeviceUnavailable,
                 std::string("GStreamer cannot decode here: ") + (error ? error->message : "no pipeline"),
                 "install gstreamer1.0-plugins-base, -good and -libav"};
  const Gst<GstElement> source(gst_bin_get_by_name(GST_BIN(pipeline.get()), "file"));
  g_object_set(source.get(), "location", file.c_str(), nullptr);
  return VideoFrames(std::make_unique<State>(file, std::move(pipeline)));
}

bool VideoFrames::seek(double from_s) {
  if (from_s <= kSeekAhead_s || !state_->preroll() || !state_->is_seekable()) return false;
  const auto target = static_cast<gint64>((from_s - kSeekAhead_s) * GST_SECOND);
  return gst_element_seek_simple(state_->pipeline.get(), GST_FORMAT_TIME,
                                 static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE), target);
}

Result<std::optional<VideoPicture>> VideoFrames::next() {
  GstAppSink* sink = GST_APP_SINK(state_->sink.get());
  if (!std::exchange(state_->plays, true)) gst_element_set_state(state_->pipeline.get(), GST_STATE_PLAYING);
  for (;;) {
    if (interrupted()) return interrupted_error();
    if (const Gst<GstSample> sample{gst_app_sink_try_pull_sample(sink, kPatience)}) {
      Result<VideoPicture> picture = picture_of(sample.get());
      if (!picture) return picture.error();
      return std::optional(std::move(*picture));
    }
    if (const Gst<GstMessage> message{gst_bus_pop_filtered(state_->bus.get(), GST_MESSAGE_ERROR)})
      return state_->error_of(message.get());
    if (gst_app_sink_is_eos(sink)) return std::optional<VideoPicture>();
  }
}

#else

struct VideoFrames::State {};

Result<VideoFrames> VideoFrames::open(const std::string&) {
  return Error{ErrorCode::DeviceUnavailable, "this ft-tool was built without GStreamer, which decodes videos",
               "build it where gstreamer-app-1.0 and gstreamer-video-1.0 are installed"};
}

bool VideoFrames::seek(double) { return false; }
Result<std::optional<VideoPicture>> VideoFrames::next() { return std::optional<VideoPicture>(); }

#endif

VideoFrames::VideoFrames(std::unique_ptr<State> state) : state_(std::move(state)) {}
VideoFrames::VideoFrames(VideoFrames&&) noexcept = default;
VideoFrames::~VideoFrames() = default;

}  // namespace resnetft::tool
