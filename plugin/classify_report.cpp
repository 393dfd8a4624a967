// SPDX-License-Identifier: MIT
#include <array>

#include "action_signal.h"
#include "classify_state.h"
#include "error_report.h"
#include "message_fields.h"

namespace resnetft {
namespace {

std::array<guint, static_cast<size_t>(ClassifySignal::Last)> signals;

guint& signal_id(ClassifySignal signal) { return signals[static_cast<size_t>(signal)]; }

void post(GstResnetClassify* self, StructurePtr structure) { post_structure(GST_ELEMENT(self), std::move(structure)); }

StructurePtr verdict_event(const char* event, const Verdict& verdict, const VerdictPlace& place) {
  StructurePtr structure = event_structure(event);
  set_verdict_fields(structure.get(), verdict, place);
  return structure;
}

void report_label_changed(GstResnetClassify* self, const Verdict& verdict, const VerdictPlace& place) {
  const ScoredClass& best = verdict.best();
  if (self->state->rules.post_messages != PostMessages::Never) {
    StructurePtr structure = verdict_event("label-changed", verdict, place);
    gst_structure_set(structure.get(), "old-label", G_TYPE_STRING, verdict.previous_label->c_str(), nullptr);
    post(self, std::move(structure));
  }
  g_signal_emit(self, signal_id(ClassifySignal::LabelChanged), 0, best.label.c_str(), verdict.previous_label->c_str(),
                best.confidence, guint64{place.time.running_time});
}

// ---- Action signals ----

gboolean swap_model(GstResnetClassify* self, const gchar* path) { return request_model(self, path ? path : ""); }

gboolean roll_back(GstResnetClassify* self) { return request_rollback(self); }

GstStructure* run_sample(GstResnetClassify* self, GstSample* sample) {
  Result<StructurePtr> structure = classify_sample(self, sample);
  if (structure) return structure->release();
  post_warning(GST_ELEMENT(self), structure.error());
  return nullptr;
}

}  // namespace

void install_classify_signals(GType type) {
  install_action(type, "load-model", G_CALLBACK(swap_model), G_TYPE_BOOLEAN, {G_TYPE_STRING});
  install_action(type, "rollback", G_CALLBACK(roll_back), G_TYPE_BOOLEAN, {});
  install_action(type, "classify-sample", G_CALLBACK(run_sample), GST_TYPE_STRUCTURE, {GST_TYPE_SAMPLE});
  signal_id(ClassifySignal::ModelChanged) =
      g_signal_new("model-changed", type, G_SIGNAL_RUN_LAST, 0, nullptr, nullptr, nullptr, G_TYPE_NONE, 2,
                   G_TYPE_UINT64, GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE);
  signal_id(ClassifySignal::LabelChanged) =
      g_signal_new("label-changed", type, G_SIGNAL_RUN_LAST, 0, nullptr, nullptr, nullptr, G_TYPE_NONE, 4,
                   G_TYPE_STRING, G_TYPE_STRING, G_TYPE_DOUBLE, G_TYPE_UINT64);
}

void report_verdict(GstResnetClassify* self, const Verdict& verdict, const VerdictPlace& place) {
  const PostMessages wanted = self->state->rules.post_messages;
  const bool changed = verdict.previous_label.has_value();
  if (wanted == PostMessages::Always || (wanted == PostMessages::OnChange && changed))
    post(self, verdict_event("classification", verdict, place));
  if (changed) report_label_changed(self, verdict, place);
}

void report_model_changed(GstResnetClassify* self, const ModelInfo& info) {
  self->state->stats.count(FrameCount::ModelChanges);
  gst_resnet_video_analyzer_expect_latency(GST_RESNET_VIDEO_ANALYZER(self), info.frame_time_ns);
  StructurePtr structure = event_structure("model-changed");
  set_model_fields(structure.get(), info);
  const StructurePtr copy(gst_structure_copy(structure.get()));
  post(self, std::move(structure));
  g_signal_emit(self, signal_id(ClassifySignal::ModelChanged), 0, guint64{info.generation}, copy.get());
  for (const char* property : {"num-classes", "labels", "model-generation", "model-hash"})
    g_object_notify(G_OBJECT(self), property);
}

void report_model_failed(GstResnetClassify* self, const Error& error) {
  StructurePtr structure = event_structure("model-load-failed");
  set_error_fields(structure.get(), error);
  post(self, std::move(structure));
  post_warning(GST_ELEMENT(self), error);
}

void report_stats(GstResnetClassify* self) {
  StructurePtr structure = event_structure("stats");
  const StructurePtr stats = self->state->stats.structure();
  for (gint i = 0; i < gst_structure_n_fields(stats.get()); ++i) {
    const gchar* name = gst_structure_nth_field_name(stats.get(), static_cast<guint>(i));
    gst_structure_set_value(structure.get(), name, gst_structure_get_value(stats.get(), name));
  }
  post(self, std::move(structure));
  g_object_notify(G_OBJECT(self), "stats");
}

bool request_model(GstResnetClassify* self, const std::string& path) {
  const std::shared_ptr<ModelSlot> slot = self->state->current_slot();
  if (!slot || path.empty()) {
    post_warning(GST_ELEMENT(self), {ErrorCode::InvalidArgument,
                                     path.empty() ? "load-model: no file is named" : "load-model: nothing is running",
                                     "name a weight file, in PAUSED or PLAYING"});
    return false;
  }
  Result<ModelRequest> request = model_request(self->state->settings);
  if (!request) {
    report_model_failed(self, request.error());
    return false;
  }
  slot->load(path, std::move(request->load));
  return true;
}

bool request_rollback(GstResnetClassify* self) {
  const std::shared_ptr<ModelSlot> slot = self->state->current_slot();
  if (!slot) {
    post_warning(GST_ELEMENT(self),
                 {ErrorCode::InvalidArgument, "rollback: nothing is running", "call it in PAUSED or PLAYING"});
    return false;
  }
  slot->rollback();
  return true;
}

}  // namespace resnetft
