// SPDX-License-Identifier: MIT
// Who draws: the negotiation of GstVideoOverlayComposition.
#include "overlay.h"

namespace resnetft {
namespace {

constexpr const char* kFeature = GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION;

bool has_feature(const GstCaps* caps, guint index) {
  return gst_caps_features_contains(gst_caps_get_features(caps, index), kFeature);
}

void append(GstCaps* caps, const GstCaps* from, guint index, bool with_feature) {
  GstCapsFeatures* features = gst_caps_features_copy(gst_caps_get_features(from, index));
  if (with_feature && !gst_caps_features_contains(features, kFeature))
    gst_caps_features_add(features, kFeature);
  else if (!with_feature)
    gst_caps_features_remove(features, kFeature);
  gst_caps_append_structure_full(caps, gst_structure_copy(gst_caps_get_structure(from, index)), features);
}

}  // namespace

bool peer_takes_composition(GstPad* pad, GstCaps* caps) {
  if (!caps || gst_caps_is_empty(caps) || !has_feature(caps, 0)) return false;
  const auto query = GRef<GstQuery>::adopt(gst_query_new_allocation(caps, FALSE));
  return gst_pad_peer_query(pad, query.get()) &&
         gst_query_find_allocation_meta(query.get(), GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, nullptr);
}

// Downstream, a frame keeps its composition and may get one; upstream, a frame that leaves with one may have come
// without.
GstCaps* transform_overlay_caps(GstPadDirection direction, GstCaps* caps, bool adds) {
  GstCaps* result = gst_caps_new_empty();
  for (guint i = 0; i < gst_caps_get_size(caps); ++i) {
    const bool has = has_feature(caps, i), other_too = adds && (direction == GST_PAD_SINK ? !has : has);
    if (direction == GST_PAD_SINK && other_too) append(result, caps, i, true);
    append(result, caps, i, has);
    if (direction == GST_PAD_SRC && other_too) append(result, caps, i, false);
  }
  return result;
}

GstCaps* choose_overlay_caps(GstCaps* caps, bool with) {
  guint chosen = 0;
  for (guint i = gst_caps_get_size(caps); i-- > 0;)
    if (has_feature(caps, i) == with) chosen = i;
  return gst_caps_copy_nth(caps, chosen);
}

}  // namespace resnetft
