// SPDX-License-Identifier: MIT
// A GStreamer video frame as the library sees pictures.
#pragma once

#include <gst/video/video.h>

#include <string>

#include "gst_ref.h"
#include "resnetft/error.h"
#include "resnetft/image.h"

namespace resnetft {

// The fields of caps for every format that the elements take, and for those of them that a GPU's memory can hold, which
// is "" without gstreamer-cuda: "format = { RGB, ... }, ...".
std::string video_caps_text();
std::string cuda_caps_text();

// Who reads a frame that lies in a GPU's memory: the host's processors, of a copy, or the GPU.
enum class FrameReader { Host, Gpu };

// A frame mapped for reading, unmapped when this goes. `view()` borrows from it. A GstVideoMeta and a GstVideoCropMeta
// on the buffer are honoured; interlaced frames are one picture.
class MappedFrame {
 public:
  // Incompatible for a format that is not in the list; Io where the buffer cannot be mapped or is too small.
  static Result<MappedFrame> map(GstBuffer* buffer, const GstVideoInfo& info, Orientation orientation,
                                 FrameReader reader = FrameReader::Host);
  // The frame of a sample that outlives this; null for none. InvalidArgument, beginning with `action`: it holds none.
  static Result<MappedFrame> map_sample(GstSample* sample, const char* action);
  MappedFrame(MappedFrame&& other) noexcept;
  MappedFrame& operator=(MappedFrame&&) = delete;
  ~MappedFrame();

  const ImageView& view() const { return view_; }

 private:
  MappedFrame() = default;
  GstVideoFrame frame_ = {};
  ImageView view_ = {};
};

// What an `image-orientation` tag ("rotate-90", "flip-rotate-270") asks for; false where it is absent or unknown.
bool orientation_from_tags(const GstTagList* tags, Orientation* orientation);

}  // namespace resnetft
