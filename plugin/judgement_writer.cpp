// SPDX-License-Identifier: MIT
#include "judgement_writer.h"

#include "message_fields.h"

namespace resnetft {
namespace {

void set_region_fields(GstStructure* structure, const FoundRegion& region) {
  const Region& rectangle = region.judged.rectangle;
  gst_structure_set(structure, "roi-id", G_TYPE_INT, region.roi ? region.roi->id : -1, "roi-type", G_TYPE_STRING,
                    region.type.c_str(), "x", G_TYPE_INT, rectangle.x, "y", G_TYPE_INT, rectangle.y, "width",
                    G_TYPE_INT, rectangle.width, "height", G_TYPE_INT, rectangle.height, nullptr);
}

}  // namespace

void register_classification_meta() {
  static const gchar* no_tags[] = {nullptr};
  gst_meta_register_custom(kMetaName, no_tags, nullptr, nullptr, nullptr);
}

void set_verdict_fields(GstStructure* structure, const Verdict& verdict, const VerdictPlace& place) {
  const ScoredClass& best = verdict.best();
  gst_structure_set(structure, "stream-id", G_TYPE_STRING, place.stream_id.c_str(), "timestamp", G_TYPE_UINT64,
                    place.time.timestamp, "stream-time", G_TYPE_UINT64, place.time.stream_time, "running-time",
                    G_TYPE_UINT64, place.time.running_time, "duration", G_TYPE_UINT64, place.time.duration, "label",
                    G_TYPE_STRING, best.label.c_str(), "label-id", G_TYPE_INT, static_cast<gint>(best.label_id),
                    "confidence", G_TYPE_DOUBLE, best.confidence, "model-generation", G_TYPE_UINT64,
                    guint64{verdict.generation}, "age-frames", G_TYPE_UINT, verdict.age_frames, nullptr);
  set_classes(structure, "top", verdict.judgement.top);
  if (place.region) set_region_fields(structure, *place.region);
}

void set_feature_fields(GstStructure* structure, const Judgement& judgement) {
  set_floats(structure, "embedding", judgement.embedding);
  set_floats(structure, "logits", judgement.logits);
}

StructurePtr event_structure(const char* event) {
  return StructurePtr(gst_structure_new(kMessageName, "event", G_TYPE_STRING, event, nullptr));
}

void set_model_fields(GstStructure* structure, const ModelInfo& info) {
  gst_structure_set(structure, "model-generation", G_TYPE_UINT64, guint64{info.generation}, "model-hash", G_TYPE_STRING,
                    info.sha256.c_str(), "model-file", G_TYPE_STRING, info.path.c_str(), "arch", G_TYPE_STRING,
                    info.card.architecture.c_str(), "num-classes", G_TYPE_UINT,
                    static_cast<guint>(info.card.num_classes), "engine", G_TYPE_STRING, info.engine.c_str(),
                    "precision", G_TYPE_STRING, info.precision.c_str(), nullptr);
}

void attach_custom_meta(GstBuffer* buffer, const Verdict& verdict, const VerdictPlace& place, bool with_features) {
  GstCustomMeta* meta = gst_buffer_add_custom_meta(buffer, kMetaName);
  if (!meta) return;
  GstStructure* structure = gst_custom_meta_get_structure(meta);
  set_verdict_fields(structure, verdict, place);
  if (with_features) set_feature_fields(structure, verdict.judgement);
}

void attach_roi_param(GstVideoRegionOfInterestMeta* roi, const Verdict& verdict, const std::string& model_name) {
  const ScoredClass& best = verdict.best();
  if (best.label.empty()) return;
  gst_video_region_of_interest_meta_add_param(
      roi, gst_structure_new("classification", "label", G_TYPE_STRING, best.label.c_str(), "label_id", G_TYPE_INT,
                             static_cast<gint>(best.label_id), "confidence", G_TYPE_DOUBLE, best.confidence,
                             "model_name", G_TYPE_STRING, model_name.c_str(), nullptr));
}

}  // namespace resnetft
