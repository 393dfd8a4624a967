// SPDX-License-Identifier: MIT
// ft-tool dataset from-video: frames of a clip as JPEG files.
#include <algorithm>
#include <filesystem>
#include <span>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
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
  uint64_t decoded = 0;
  uint64_t in_range = 0;
  uint64_t written = 0;
};

double seconds(uint64_t time_ns) { return static_cast<double>(time_ns) / 1e9; }

std::string digits_of(uint64_t number, size_t width) {
  std::string digits = std::to_string(number);
  return digits.insert(0, width - std::min(width, digits.size()), '0');
}

// Named by its time in milliseconds, which no seek changes; without, by its number in the file, from 0.
Status write_frame(const VideoPicture& picture, uint64_t number, const Wanted& wanted) {
  const Result<std::string> jpeg = encode_jpeg(picture.rgb, picture.width, picture.height, kQuality);
  if (!jpeg) return jpeg.error();
  const std::string digits =
      picture.time_ns ? digits_of(*picture.time_ns / 1'000'000, 9) : "frame-" + digits_of(number, 6);
  const std::string path = (wanted.folder / (wanted.stem + "-" + digits + ".jpg")).string();
  if (const auto there = MappedFile::open(path);
      there && !std::ranges::equal((*there)->bytes(), std::as_bytes(std::span(*jpeg))))
    return Error{ErrorCode::Incompatible, "'" + path + "' is there already, of another video",
                 "rename the video, or name another --output"};
  return write_file_atomically(path, *jpeg);
}

// From `picture` on.
Result<Counted> write_from(std::optional<VideoPicture> picture, VideoFrames& video, const Wanted& wanted) {
  Counted counted;
  Progress progress("frames", 0);
  while (picture) {
    const std::optional<uint64_t> time = picture->time_ns;
    if (!time && (wanted.from_s > 0 || wanted.to_s > 0))
      return Error{ErrorCode::Incompatible, "the frames of the video have no times", "leave --from and --to out"};
    if (time && wanted.to_s > 0 && seconds(*time) >= wanted.to_s) break;
    if ((!time || seconds(*time) >= wanted.from_s) && counted.in_range++ % wanted.every == 0) {
      if (Status status = write_frame(*picture, counted.decoded, wanted); !status) return status.error();
      ++counted.written;
      progress.advance(1);
    }
    ++counted.decoded;
    Result<std::optional<VideoPicture>> next = video.next();
    if (!next) return next.error();
    picture = std::move(*next);
  }
  return counted;
}

// None where no seek leads there.
Result<std::optional<Counted>> write_after_seek(const std::string& file, const Wanted& wanted) {
  Result<VideoFrames> video = VideoFrames::open(file);
  if (!video) return video.error();
  if (!video->seek(wanted.from_s)) return std::optional<Counted>();
  Result<std::optional<VideoPicture>> picture = video->next();
  if (!picture && picture.error().code == ErrorCode::Cancelled) return picture.error();
  const bool leads_there = picture && *picture && (*picture)->time_ns && seconds(*(*picture)->time_ns) <= wanted.from_s;
  if (!leads_there) return std::optional<Counted>();
  const Result<Counted> counted = write_from(std::move(*picture), *video, wanted);
  if (!counted) return counted.error();
  return std::optional(*counted);
}

Result<Counted> write_frames(const std::string& file, const Wanted& wanted) {
  const Result<std::optional<Counted>> sought = write_after_seek(file, wanted);
  if (!sought) return sought.error();
  if (*sought) return **sought;
  Result<VideoFrames> video = VideoFrames::open(file);
  if (!video) return video.error();
  Result<std::optional<VideoPicture>> first = video->next();
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
  if (Status status = check_video_file(file); !status) return status.error();
  if (Status status = make_folder(wanted->folder); !status) return status.error();
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
