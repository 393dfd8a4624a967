// SPDX-License-Identifier: MIT
// GstAnalytics metadata (GStreamer 1.24 and later). Meson chooses analytics_on.cpp or analytics_off.cpp; without it
// nothing is found and nothing is attached.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "resnetft/classifier.h"

namespace resnetft {

// Identities of tracked detections are counted from here, apart from the ids of ROI metas, which are ints.
inline constexpr int64_t kTrackedIdentity = int64_t{1} << 32;

struct Detection {
  unsigned id = 0;
  std::string type;
  int x = 0, y = 0, width = 0, height = 0;
  std::optional<uint64_t> tracking_id;
};

std::vector<Detection> find_detections(GstBuffer* buffer);

// Adds a classification to the buffer's relation meta, related to the detection where there is one. Classes without a
// name (an empty label) are left out.
void attach_classification(GstBuffer* buffer, std::span<const ScoredClass> classes, std::optional<unsigned> detection);

}  // namespace resnetft
