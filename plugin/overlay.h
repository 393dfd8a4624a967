// SPDX-License-Identifier: MIT
// Labels drawn into a frame: white on a dark box, big enough to read, inside the frame.
#pragma once

#include <gst/video/video.h>

#include <span>
#include <string>
#include <vector>

#include "gst_ref.h"

namespace resnetft {

// A label at the top left of a rectangle of the frame, or above it where there is room.
struct OverlayLabel {
  std::string label;
  double confidence = 0;  // 0 to 1
  int x = 0, y = 0;       // top left of what is labelled, in pixels
  bool above = false;     // beside a region rather than in a corner of the frame
};

// The height of capitals for a frame of that height, in pixels.
int capital_height(int frame_height);

// Streaming thread only: keeps the last drawn text, for most frames show the same.
class Overlay {
 public:
  // How the drawing reaches the picture.
  enum class Way { Attach, Blend };

  // Adds the labels to a writable buffer of `info`'s size, as an overlay composition meta (an existing one is
  // extended) or into the pixels. A frame too small for one line stays as it is. False where the pixels cannot be
  // written.
  bool draw(GstBuffer* buffer, const GstVideoInfo& info, std::span<const OverlayLabel> labels, Way way);

 private:
  struct Drawn {
    std::string key;
    GRef<GstBuffer> pixels;  // BGRA or ARGB by byte order, premultiplied, with a GstVideoMeta
    int width = 0, height = 0;
  };
  const Drawn* render(const OverlayLabel& label, int frame_width, int frame_height);

  std::vector<Drawn> drawn_;
};

// The answer to an ALLOCATION query on `pad`'s peer names the overlay composition, and `caps` have its feature.
bool peer_takes_composition(GstPad* pad, GstCaps* caps);

// What an in-place element that may add a composition makes of `caps` on its other pad. `adds`: it wants to add one.
GstCaps* transform_overlay_caps(GstPadDirection direction, GstCaps* caps, bool adds);

// The first structure of `caps` that has the composition feature (`with`) or has it not, or the first of all.
GstCaps* choose_overlay_caps(GstCaps* caps, bool with);

}  // namespace resnetft
