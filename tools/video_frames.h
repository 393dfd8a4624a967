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
  std::vector<uint8_t> rgb;  // [height, width, 3], turned as the file says
  uint64_t time_ns = 0;      // stream time: the place in the file
  uint64_t running_time_ns = 0;
  ImageView view() const;
};

// One video stream of a file, from its beginning.
class VideoFrames {
 public:
  // NotFound, Io; DeviceUnavailable where GStreamer, or an element of it, is missing.
  static Result<VideoFrames> open(const std::string& file);
  VideoFrames(VideoFrames&&) noexcept;
  ~VideoFrames();

  // The next frame; none: the file is over. CorruptFile, Incompatible, Cancelled after a signal.
  Result<std::optional<VideoPicture>> next();

 private:
  struct State;
  explicit VideoFrames(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace resnetft::tool
