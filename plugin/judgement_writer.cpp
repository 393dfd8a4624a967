// SPDX-License-Identifier: MIT
#include "judgement_writer.h"

namespace resnetft {
namespace {

// Labels are values, never field names: they may hold anything.
GValue array_of_classes(std::span<const ScoredClass> classes) {
  GValue array = G_VALUE_INIT;
  g_value_init(&array, GST_TYPE_ARRAY);
  for (const ScoredClass& scored : classes) {
    GValue item = G_VALUE_INIT;
    g_value_init(&item, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&item, gst_structure_new("class", "label", G_TYPE_STRING, scored.label.c_str(), "label-id",
                                                G_TYPE_INT, static_cast<gint>(scored.label_id), "confidence",
                                                G_TYPE_DOUBLE, scored.confidence, nullptr));
    gst_value_array_append_and_take_value(&array, &item);
  }
  return array;
}

GValue array_of_floats(std::span<const float> values) {
  GValue array = G_VALUE_INIT;
  g_value_init(&array, GST_TYPE_ARRAY);
  for (const float value : values) {
    GValue item = G_VALUE_INIT;
    g_value_init(&item, G_TYPE_FLOAT);
    g_value_set_float(&item, value);
    gst_value_array_append_and_take_value(&array, &item);
  }
  return array;
}

void take_array(GstStructure* structure, const char* name, GValue array) {
  gst_structure_take_value(structure, name, &array);
}

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
  take_array(structure, "top", array_of_classes(verdict.judgement.top));
  if (place.region) set_region_fields(structure, *place.region);
}

void set_feature_fields(GstStructure* structure, const Judgement& judgement) {
  take_array(structure, "embedding", array_of_floats(judgement.embedding));
  take_array(structure, "logits", array_of_floats(judgement.logits));
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
