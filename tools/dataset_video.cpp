// SPDX-License-Identifier: MIT
// ft-tool dataset from-video: frames of a clip, decoded by GStreamer, as JPEG files. The library itself knows no
// GStreamer.
#include "dataset.h"

#ifdef RESNETFT_HAS_VIDEO
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <filesystem>
#include <memory>

#include "base/atomic_file.h"
#include "data/image_file.h"
#include "json_text.h"

namespace resnetft::tool {
namespace {

namespace fs = std::filesystem;

constexpr int kQuality = 95;
constexpr GstClockTime kPatience = 100 * GST_MSECOND;

struct Unref {
  void operator()(GstElement* element) const { gst_object_unref(element); }
  void operator()(GstSample* sample) const { gst_sample_unref(sample); }
  void operator()(GstMessage* message) const { gst_message_unref(message); }
  void operator()(GstBus* bus) const { gst_object_unref(bus); }
  void operator()(GError* error) const { g_error_free(error); }
};
template <class T>
using Gst = std::unique_ptr<T, Unref>;

// One video stream of a file as frames of R, G, B, turned as the file says.
class Video {
 public:
  static Result<Video> open(const std::string& file) {
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
    Video video(file, std::move(pipeline));
    gst_element_set_state(video.pipeline_.get(), GST_STATE_PLAYING);
    return video;
  }

  Video(Video&&) = default;
  ~Video() {
    if (pipeline_) gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  }

  // The next frame; null: the file is over.
  Result<Gst<GstSample>> next() {
    for (;;) {
      if (interrupted()) return interrupted_error();
      if (GstSample* sample = gst_app_sink_try_pull_sample(GST_APP_SINK(sink_.get()), kPatience))
        return Gst<GstSample>(sample);
      if (const Gst<GstMessage> message{gst_bus_pop_filtered(bus_.get(), GST_MESSAGE_ERROR)})
        return error_of(message.get());
      if (gst_app_sink_is_eos(GST_APP_SINK(sink_.get()))) return Gst<GstSample>();
    }
  }

 private:
  Video(std::string file, Gst<GstElement> pipeline)
      : file_(std::move(file)),
        pipeline_(std::move(pipeline)),
        sink_(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "frames")),
        bus_(gst_element_get_bus(pipeline_.get())) {}

  Error error_of(GstMessage* message) const {
    GError* raw_error = nullptr;
    gst_message_parse_error(message, &raw_error, nullptr);
    const Gst<GError> error(raw_error);
    const bool missing = error->domain == GST_CORE_ERROR && error->code == GST_CORE_ERROR_MISSING_PLUGIN;
    return {missing ? ErrorCode::Incompatible : ErrorCode::CorruptFile, "video '" + file_ + "': " + error->message,
            missing ? "install gstreamer1.0-libav" : "check that the file is a video and whole"};
  }

  std::string file_;
  Gst<GstElement> pipeline_;
  Gst<GstElement> sink_;
  Gst<GstBus> bus_;
};

// [height, width, 3] without padding.
Result<std::string> jpeg_of(GstSample* sample) {
  GstVideoInfo info;
  GstVideoFrame frame;
  if (!gst_video_info_from_caps(&info, gst_sample_get_caps(sample)) ||
      !gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ))
    return Error{ErrorCode::Internal, "GStreamer gave a frame that cannot be read", ""};
  const int width = GST_VIDEO_FRAME_WIDTH(&frame), height = GST_VIDEO_FRAME_HEIGHT(&frame);
  const auto row_bytes = static_cast<size_t>(width) * 3;
  std::vector<uint8_t> rgb(row_bytes * static_cast<size_t>(height));
  const auto* plane = static_cast<const uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0));
  for (int y = 0; y < height; ++y)
    std::copy_n(plane + ptrdiff_t{y} * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0), row_bytes,
                rgb.data() + static_cast<size_t>(y) * row_bytes);
  gst_video_frame_unmap(&frame);
  return encode_jpeg(rgb, width, height, kQuality);
}

struct Wanted {
  fs::path folder;
  std::string stem;
  uint64_t every;
  double from_s, to_s;  // to_s 0: the end
};

struct Counted {
  uint64_t frames = 0;  // decoded, of the whole file
  uint64_t in_range = 0;
  uint64_t written = 0;
};

double seconds_of(GstSample* sample) {
  const GstBuffer* buffer = gst_sample_get_buffer(sample);
  const GstSegment* segment = gst_sample_get_segment(sample);
  const guint64 time = gst_segment_to_stream_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  return GST_CLOCK_TIME_IS_VALID(time) ? static_cast<double>(time) / GST_SECOND : 0;
}

// Named by the frame's number in the file, from 0.
Status write_frame(GstSample* sample, uint64_t number, const Wanted& wanted) {
  const Result<std::string> jpeg = jpeg_of(sample);
  if (!jpeg) return jpeg.error();
  std::string digits = std::to_string(number);
  digits.insert(0, 6 - std::min<size_t>(6, digits.size()), '0');
  const std::string name = wanted.stem + "-" + digits + ".jpg";
  return write_file_atomically((wanted.folder / name).string(), *jpeg);
}

Result<Counted> write_frames(Video& video, const Wanted& wanted) {
  Counted counted;
  Progress progress("frames", 0);
  for (;; ++counted.frames) {
    const Result<Gst<GstSample>> sample = video.next();
    if (!sample) return sample.error();
    if (!*sample) return counted;
    const double time = seconds_of(sample->get());
    if (wanted.to_s > 0 && time >= wanted.to_s) return counted;
    if (time < wanted.from_s || counted.in_range++ % wanted.every != 0) continue;
    if (Status status = write_frame(sample->get(), counted.frames, wanted); !status) return status.error();
    ++counted.written;
    progress.advance(1);
  }
}

// A label is one folder's name.
Status check_label(const std::string& label) {
  if (!label.starts_with(".") && label.find('/') == std::string::npos) return Status::success();
  return Error{ErrorCode::InvalidArgument, "label '" + label + "' cannot be a folder's name",
               "it neither begins with a dot nor has a slash"};
}

Result<Wanted> wanted_of(const CommandLine& line, const std::string& file) {
  const Result<std::string> output = required_text(line, "output", "FOLDER");
  const Result<std::string> label = required_text(line, "label", "NAME");
  if (!output) return output.error();
  if (!label) return label.error();
  if (Status status = check_label(*label); !status) return status.error();
  const Wanted wanted{fs::path(*output) / *label, fs::path(file).stem().string(), line.number("every"),
                      line.real("from"), line.real("to")};
  if (wanted.to_s > 0 && wanted.to_s <= wanted.from_s)
    return Error{ErrorCode::InvalidArgument, "--to lies before --from", ""};
  std::error_code reason;
  if (!fs::exists(file, reason))
    return Error{ErrorCode::NotFound, "there is no video '" + file + "'", "check the path"};
  if (!fs::is_regular_file(file, reason)) return Error{ErrorCode::Io, "video '" + file + "' is no file", "name a file"};
  fs::create_directories(wanted.folder, reason);
  if (reason)
    return Error{ErrorCode::Io, "cannot make the folder '" + wanted.folder.string() + "': " + reason.message(), ""};
  return wanted;
}

}  // namespace

Result<int> dataset_from_video(const CommandLine& line, const std::string& file) {
  const Result<Wanted> wanted = wanted_of(line, file);
  if (!wanted) return wanted.error();
  Result<Video> video = Video::open(file);
  if (!video) return video.error();
  const Result<Counted> counted = write_frames(*video, *wanted);
  if (!counted) return counted.error();
  if (counted->frames == 0)
    return Error{ErrorCode::CorruptFile, "video '" + file + "' has no frame", "check that it has a video stream"};
  OrderedJson json;
  json["video"] = file;
  json["folder"] = wanted->folder.string();
  json["frames"] = counted->in_range;
  json["images"] = counted->written;
  const std::string text = line.flag("json")
                               ? json_text(json)
                               : std::to_string(counted->written) + " of " + std::to_string(counted->in_range) +
                                     " frames written to '" + wanted->folder.string() + "'";
  if (Status status = write_out(text + "\n"); !status) return status.error();
  return 0;
}

}  // namespace resnetft::tool

#else

namespace resnetft::tool {

Result<int> dataset_from_video(const CommandLine&, const std::string&) {
  return Error{ErrorCode::DeviceUnavailable, "this ft-tool was built without GStreamer, which decodes videos",
               "build it where gstreamer-app-1.0 and gstreamer-video-1.0 are installed"};
}

}  // namespace resnetft::tool

#endif
