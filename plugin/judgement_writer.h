// SPDX-License-Identifier: MIT
// A verdict written out: as fields of a structure (message, custom meta), as a region's param. Formats only.
#pragma once

#include <gst/gst.h>

#include <string>

#include "frame_judge.h"
#include "gst_ref.h"
#include "model_slot.h"
#include "regions.h"
#include "video_analyzer.h"

namespace resnetft {

inline constexpr const char* kMetaName = "ResnetClassification";
inline constexpr const char* kMessageName = "resnetclassify";

// Registers kMetaName; once a process, in plugin_init.
void register_classification_meta();

// Where and when a verdict belongs. `region` is null for the whole frame.
struct VerdictPlace {
  const FrameTime& time;
  const std::string& stream_id;
  const FoundRegion* region = nullptr;
};

// stream-id, timestamp, stream-time, running-time, duration, label, label-id, confidence, top, model-generation,
// age-frames; of a region also roi-id, roi-type, x, y, width, height. Unknown times are GST_CLOCK_TIME_NONE.
void set_verdict_fields(GstStructure* structure, const Verdict& verdict, const VerdictPlace& place);

// `embedding` and `logits`, arrays of float.
void set_feature_fields(GstStructure* structure, const Judgement& judgement);

// A message's structure with its field `event`.
StructurePtr event_structure(const char* event);

// model-generation, model-hash, model-file, arch, num-classes, engine, precision.
void set_model_fields(GstStructure* structure, const ModelInfo& info);

void attach_custom_meta(GstBuffer* buffer, const Verdict& verdict, const VerdictPlace& place, bool with_features);

// The param `classification {label, label_id, confidence, model_name}`. A verdict without a label adds nothing.
void attach_roi_param(GstVideoRegionOfInterestMeta* roi, const Verdict& verdict, const std::string& model_name);

}  // namespace resnetft
