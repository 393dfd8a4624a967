// SPDX-License-Identifier: MIT
// ft-tool dataset from-video: frames of a clip as JPEG files.
#include <filesystem>

#include "base/atomic_file.h"
#include "data/image_file.h"
#include "dataset.h"
#include "json_text.h"
#include "video_frames.h"

namespace resnetft::tool {
namespace {

namespace fs = std::filesystem;

constexpr int kQuality = 95;

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

// Named by the frame's number in the file, from 0.
Status write_frame(const VideoPicture& picture, uint64_t number, const Wanted& wanted) {
  const Result<std::string> jpeg = encode_jpeg(picture.rgb, picture.width, picture.height, kQuality);
  if (!jpeg) return jpeg.error();
  std::string digits = std::to_string(number);
  digits.insert(0, 6 - std::min<size_t>(6, digits.size()), '0');
  const std::string name = wanted.stem + "-" + digits + ".jpg";
  return write_file_atomically((wanted.folder / name).string(), *jpeg);
}

Result<Counted> write_frames(VideoFrames& video, const Wanted& wanted) {
  Counted counted;
  Progress progress("frames", 0);
  for (;; ++counted.frames) {
    const Result<std::optional<VideoPicture>> picture = video.next();
    if (!picture) return picture.error();
    if (!*picture) return counted;
    const double time = static_cast<double>((*picture)->time_ns) / 1e9;
    if (wanted.to_s > 0 && time >= wanted.to_s) return counted;
    if (time < wanted.from_s || counted.in_range++ % wanted.every != 0) continue;
    if (Status status = write_frame(**picture, counted.frames, wanted); !status) return status.error();
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
  return wanted;
}

Status make_folder(const fs::path& folder) {
  std::error_code reason;
  fs::create_directories(folder, reason);
  if (!reason) return Status::success();
  return Error{ErrorCode::Io, "cannot make the folder '" + folder.string() + "': " + reason.message(), ""};
}

}  // namespace

Result<int> dataset_from_video(const CommandLine& line, const std::string& file) {
  const Result<Wanted> wanted = wanted_of(line, file);
  if (!wanted) return wanted.error();
  Result<VideoFrames> video = VideoFrames::open(file);
  if (!video) return video.error();
  if (Status status = make_folder(wanted->folder); !status) return status.error();
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
