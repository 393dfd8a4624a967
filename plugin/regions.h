// SPDX-License-Identifier: MIT
// The regions of interest that a frame carries, as GstVideoRegionOfInterestMeta or as analytics metadata.
#pragma once

#include <gst/video/video.h>

#include <optional>
#include <string>
#include <vector>

#include "frame_judge.h"

namespace resnetft {

// Borrows from the buffer that it was found on.
struct FoundRegion {
  JudgedRegion judged;
  std::string type;                                  // roi_type, or the type of the detection
  GstVideoRegionOfInterestMeta* roi = nullptr;       // none: analytics only
  std::optional<unsigned> detection = std::nullopt;  // id of the object detection in the analytics relation meta
};

// Those of the type `roi_class` ("": all), cut to the frame; what lies outside is left out. A rectangle that comes both
// ways is one region. An ROI with id >= 0 and a detection with a tracking id have an identity.
std::vector<FoundRegion> find_regions(GstBuffer* buffer, int width, int height, const std::string& roi_class);

}  // namespace resnetft
