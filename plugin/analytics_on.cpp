// SPDX-License-Identifier: MIT
// Its tensor header has a flexible array member, which is C only.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <gst/analytics/analytics.h>
#pragma GCC diagnostic pop

#include "analytics.h"

namespace resnetft {
namespace {

std::optional<uint64_t> tracking_id_of(GstAnalyticsRelationMeta* meta, guint detection) {
  gpointer state = nullptr;
  GstAnalyticsTrackingMtd tracking;
  if (!gst_analytics_relation_meta_get_direct_related(meta, detection, GST_ANALYTICS_REL_TYPE_ANY,
                                                      gst_analytics_tracking_mtd_get_mtd_type(), &state, &tracking))
    return std::nullopt;
  guint64 id = 0;
  GstClockTime first_seen = 0, last_seen = 0;
  gboolean lost = FALSE;
  if (!gst_analytics_tracking_mtd_get_info(&tracking, &id, &first_seen, &last_seen, &lost)) return std::nullopt;
  return id;
}

}  // namespace

std::vector<Detection> find_detections(GstBuffer* buffer) {
  std::vector<Detection> detections;
  GstAnalyticsRelationMeta* meta = gst_buffer_get_analytics_relation_meta(buffer);
  if (!meta) return detections;
  gpointer state = nullptr;
  GstAnalyticsODMtd mtd;
  while (gst_analytics_relation_meta_iterate(meta, &state, gst_analytics_od_mtd_get_mtd_type(), &mtd)) {
    Detection detection;
    gfloat confidence = 0;
    if (!gst_analytics_od_mtd_get_location(&mtd, &detection.x, &detection.y, &detection.width, &detection.height,
                                           &confidence))
      continue;
    detection.id = mtd.id;
    if (const gchar* type = g_quark_to_string(gst_analytics_od_mtd_get_obj_type(&mtd))) detection.type = type;
    detection.tracking_id = tracking_id_of(meta, mtd.id);
    detections.push_back(std::move(detection));
  }
  return detections;
}

void attach_classification(GstBuffer* buffer, std::span<const ScoredClass> classes, std::optional<unsigned> detection) {
  std::vector<gfloat> confidences;
  std::vector<GQuark> names;
  for (const ScoredClass& scored : classes) {
    if (scored.label.empty()) continue;
    confidences.push_back(static_cast<gfloat>(scored.confidence));
    names.push_back(g_quark_from_string(scored.label.c_str()));
  }
  if (names.empty()) return;
  GstAnalyticsRelationMeta* meta = gst_buffer_get_analytics_relation_meta(buffer);
  if (!meta) meta = gst_buffer_add_analytics_relation_meta(buffer);
  GstAnalyticsClsMtd mtd;
  if (!gst_analytics_relation_meta_add_cls_mtd(meta, names.size(), confidences.data(), names.data(), &mtd)) return;
  if (!detection) return;
  gst_analytics_relation_meta_set_relation(meta, GST_ANALYTICS_REL_TYPE_RELATE_TO, *detection, mtd.id);
  gst_analytics_relation_meta_set_relation(meta, GST_ANALYTICS_REL_TYPE_RELATE_TO, mtd.id, *detection);
}

}  // namespace resnetft
