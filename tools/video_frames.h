// SPDX-License-Identifier: MIT
// The frames of a video file, decoded by GStreamer. The library itself knows no GStreamer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "resnetft/error.h"
#include "resnetft/image.h"

namespace resnetft::tool {

struct VideoPicture {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;         // [height, width, 3], turned as the file says
  std::optional<uint64_t> time_ns;  // stream time: the place in the file; none where it gives its frames no times
  uint64_t running_time_ns = 0;
  ImageView view() const;
};

// NotFound, Io: `file` is no file.
Status check_video_file(const std::string& file);

// One video stream of a file, from its beginning.
class VideoFrames {
 public:
  // As check_video_file(); DeviceUnavailable where GStreamer, or an element of it, is missing.
  static Result<VideoFrames> open(const std::string& file);
  VideoFrames(VideoFrames&&) noexcept;
  ~VideoFrames();

  // Before the first next(): goes near `from_s`, to a key frame before it. False where the file cannot do that and
  // begins at its beginning.
  bool seek(double from_s);

  // The next frame; none: the file is over. CorruptFile, Incompatible, Cancelled after a signal.
  Result<std::optional<VideoPicture>> next();

 private:
  struct State;
  explicit VideoFrames(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace resnetft::tool
