// SPDX-License-Identifier: MIT
#include "regions.h"

#include <algorithm>

#include "analytics.h"

namespace resnetft {
namespace {

bool cut_to_frame(Region& region, int64_t x, int64_t y, int64_t right, int64_t bottom, int width, int height) {
  x = std::clamp<int64_t>(x, 0, width);
  y = std::clamp<int64_t>(y, 0, height);
  right = std::clamp<int64_t>(right, 0, width);
  bottom = std::clamp<int64_t>(bottom, 0, height);
  region = {static_cast<int>(x), static_cast<int>(y), static_cast<int>(right - x), static_cast<int>(bottom - y)};
  return region.width > 0 && region.height > 0;
}

bool same_rectangle(const Region& a, const Region& b) {
  return a.x == b.x && a.y == b.y && a.width == b.width && a.height == b.height;
}

void add_roi(std::vector<FoundRegion>& regions, GstVideoRegionOfInterestMeta* roi, int width, int height) {
  FoundRegion region;
  if (!cut_to_frame(region.judged.rectangle, roi->x, roi->y, int64_t{roi->x} + roi->w, int64_t{roi->y} + roi->h, width,
                    height))
    return;
  if (const gchar* type = g_quark_to_string(roi->roi_type)) region.type = type;
  if (roi->id >= 0) region.judged.identity = roi->id;
  region.roi = roi;
  regions.push_back(std::move(region));
}

void add_detection(std::vector<FoundRegion>& regions, const Detection& detection, int width, int height) {
  FoundRegion region;
  const int64_t right = int64_t{detection.x} + detection.width, bottom = int64_t{detection.y} + detection.height;
  if (!cut_to_frame(region.judged.rectangle, detection.x, detection.y, right, bottom, width, height)) return;
  region.type = detection.type;
  region.detection = detection.id;
  if (detection.tracking_id) region.judged.identity = kTrackedIdentity + static_cast<int64_t>(*detection.tracking_id);
  const auto twin = std::ranges::find_if(regions, [&](const FoundRegion& other) {
    return !other.detection && same_rectangle(other.judged.rectangle, region.judged.rectangle);
  });
  if (twin == regions.end()) {
    regions.push_back(std::move(region));
    return;
  }
  twin->detection = region.detection;
  if (region.judged.identity) twin->judged.identity = region.judged.identity;
}

}  // namespace

std::vector<FoundRegion> find_regions(GstBuffer* buffer, int width, int height, const std::string& roi_class) {
  std::vector<FoundRegion> regions;
  gpointer state = nullptr;
  while (GstMeta* meta = gst_buffer_iterate_meta_filtered(buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))
    add_roi(regions, reinterpret_cast<GstVideoRegionOfInterestMeta*>(meta), width, height);
  for (const Detection& detection : find_detections(buffer)) add_detection(regions, detection, width, height);
  if (!roi_class.empty()) std::erase_if(regions, [&](const FoundRegion& region) { return region.type != roi_class; });
  return regions;
}

}  // namespace resnetft
