// SPDX-License-Identifier: MIT
// ft-tool dataset from-video: frames of a clip, decoded by GStreamer, as JPEG files. The library itself knows no
// GStreamer.
#include "dataset.h"

#ifdef RESNETFT_HAS_VIDEO
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/atomic_file.h"
#include "data/image_file.h"
#include "json_text.h"

namespace resnetft::tool {
namespace {

namespace fs = std::filesystem;

constexpr int kQuality = 95;
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
    return Video(file, std::move(pipeline));
  }

  Video(Video&&) = default;
  ~Video() {
    if (pipeline_) gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  }

  // Goes near `from_s`, to a key frame before it, where the file can do that; false where all of it must be decoded.
  bool seek(double from_s) {
    if (from_s <= kSeekAhead_s) return false;
    gst_element_set_state(pipeline_.get(), GST_STATE_PAUSED);
    GstStateChangeReturn state = GST_STATE_CHANGE_ASYNC;
    while (state == GST_STATE_CHANGE_ASYNC && !interrupted())
      state = gst_element_get_state(pipeline_.get(), nullptr, nullptr, kPatience);
    if (state != GST_STATE_CHANGE_SUCCESS) return false;
    const auto target = static_cast<gint64>((from_s - kSeekAhead_s) * GST_SECOND);
    return is_seekable() &&
           gst_element_seek_simple(pipeline_.get(), GST_FORMAT_TIME,
                                   static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE), target);
  }
  void play() { gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING); }

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

  bool is_seekable() const {
    const Gst<GstQuery> query(gst_query_new_seeking(GST_FORMAT_TIME));
    gboolean seekable = FALSE;
    if (gst_element_query(pipeline_.get(), query.get()))
      gst_query_parse_seeking(query.get(), nullptr, &seekable, nullptr, nullptr);
    return seekable;
  }

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
  uint64_t decoded = 0;
  uint64_t in_range = 0;
  uint64_t written = 0;
};

// None where the file gives its frames no times.
std::optional<GstClockTime> time_of(GstSample* sample) {
  const GstBuffer* buffer = gst_sample_get_buffer(sample);
  const GstSegment* segment = gst_sample_get_segment(sample);
  const GstClockTime time = gst_segment_to_stream_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  return GST_CLOCK_TIME_IS_VALID(time) ? std::optional(time) : std::nullopt;
}

double seconds(GstClockTime time) { return static_cast<double>(time) / GST_SECOND; }

std::string digits_of(uint64_t number, size_t width) {
  std::string digits = std::to_string(number);
  return digits.insert(0, width - std::min(width, digits.size()), '0');
}

// Named by its time in milliseconds, which no seek changes; without, by its number in the file, from 0.
Status write_frame(GstSample* sample, uint64_t number, const Wanted& wanted) {
  const Result<std::string> jpeg = jpeg_of(sample);
  if (!jpeg) return jpeg.error();
  const std::optional<GstClockTime> time = time_of(sample);
  const std::string digits = time ? digits_of(*time / GST_MSECOND, 9) : "frame-" + digits_of(number, 6);
  return write_file_atomically((wanted.folder / (wanted.stem + "-" + digits + ".jpg")).string(), *jpeg);
}

// From `sample` on.
Result<Counted> write_from(Gst<GstSample> sample, Video& video, const Wanted& wanted) {
  Counted counted;
  Progress progress("frames", 0);
  while (sample) {
    const std::optional<GstClockTime> time = time_of(sample.get());
    if (!time && (wanted.from_s > 0 || wanted.to_s > 0))
      return Error{ErrorCode::Incompatible, "the frames of the video have no times", "leave --from and --to out"};
    if (time && wanted.to_s > 0 && seconds(*time) >= wanted.to_s) break;
    if ((!time || seconds(*time) >= wanted.from_s) && counted.in_range++ % wanted.every == 0) {
      if (Status status = write_frame(sample.get(), counted.decoded, wanted); !status) return status.error();
      ++counted.written;
      progress.advance(1);
    }
    ++counted.decoded;
    Result<Gst<GstSample>> next = video.next();
    if (!next) return next.error();
    sample = std::move(*next);
  }
  return counted;
}

// None where no seek leads there.
Result<std::optional<Counted>> write_after_seek(const std::string& file, const Wanted& wanted) {
  Result<Video> video = Video::open(file);
  if (!video) return video.error();
  if (!video->seek(wanted.from_s)) return std::optional<Counted>();
  video->play();
  Result<Gst<GstSample>> sample = video->next();
  if (!sample && sample.error().code == ErrorCode::Cancelled) return sample.error();
  const std::optional<GstClockTime> time = sample && *sample ? time_of(sample->get()) : std::nullopt;
  if (!time || seconds(*time) > wanted.from_s) return std::optional<Counted>();  // it led past what is wanted
  const Result<Counted> counted = write_from(std::move(*sample), *video, wanted);
  if (!counted) return counted.error();
  return std::optional(*counted);
}

Result<Counted> write_frames(const std::string& file, const Wanted& wanted) {
  const Result<std::optional<Counted>> sought = write_after_seek(file, wanted);
  if (!sought) return sought.error();
  if (*sought) return **sought;
  Result<Video> video = Video::open(file);
  if (!video) return video.error();
  video->play();
  Result<Gst<GstSample>> first = video->next();
  if (!first) return first.error();
  if (!*first)
    return Error{ErrorCode::CorruptFile, "video '" + file + "' has no frame", "check that it has a video stream"};
  return write_from(std::move(*first), *video, wanted);
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
  const Result<Counted> counted = write_frames(file, *wanted);
  if (!counted) return counted.error();
  OrderedJson json;
  json["video"] = file;
  json["folder"] = wanted->folder.string();
  json["decoded"] = counted->decoded;
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
