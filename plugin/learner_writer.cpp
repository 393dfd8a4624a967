// SPDX-License-Identifier: MIT
#include "learner_writer.h"

#include <set>

#include "message_fields.h"

namespace resnetft {
namespace {

StructurePtr event_of(const char* event) {
  return StructurePtr(gst_structure_new(kFinetuneMessageName, "event", G_TYPE_STRING, event, nullptr));
}

void set_text(GstStructure* structure, const char* field, const std::string& text) {
  gst_structure_set(structure, field, G_TYPE_STRING, text.c_str(), nullptr);
}

void set_number(GstStructure* structure, const char* field, uint64_t number) {
  gst_structure_set(structure, field, G_TYPE_UINT64, guint64{number}, nullptr);
}

void set_real(GstStructure* structure, const char* field, double number) {
  gst_structure_set(structure, field, G_TYPE_DOUBLE, number, nullptr);
}

void set_flag(GstStructure* structure, const char* field, bool flag) {
  gst_structure_set(structure, field, G_TYPE_BOOLEAN, gboolean{flag}, nullptr);
}

// ---- Samples ----

void set_key_fields(GstStructure* structure, const SampleKey& key) {
  set_text(structure, "stream-id", key.stream_id);
  set_number(structure, "running-time", key.running_time_ns);
  set_number(structure, "epoch", key.epoch);
  gst_structure_set(structure, "region", G_TYPE_UINT, guint{key.region}, nullptr);
}

const char* side_name(HoldoutSide side) {
  switch (side) {
    case HoldoutSide::Train:
      return "train";
    case HoldoutSide::Holdout:
      return "holdout";
    case HoldoutSide::LeftOut:
      break;
  }
  return "left-out";
}

void set_count_fields(GstStructure* structure, const StoreCounts& counts) {
  set_number(structure, "train-samples", counts.train);
  set_number(structure, "holdout-samples", counts.holdout);
  set_number(structure, "bytes", counts.bytes);
  set_number(structure, "offered", counts.offered);
  set_number(structure, "evicted", counts.evicted);
  set_number(structure, "left-out", counts.left_out);
  set_number(structure, "duplicates", counts.duplicates);
  set_number(structure, "no-room", counts.no_room);
}

StructurePtr write(const SampleStored& stored) {
  StructurePtr structure = event_of("sample-stored");
  if (stored.source != LabelSource::Added) {
    set_key_fields(structure.get(), stored.key);
    // Known where places are counted in it.
    const bool counts_stream_time = stored.place.timeline == stored.key.stream_id;
    set_number(structure.get(), "stream-time", counts_stream_time ? stored.place.time_ns : GST_CLOCK_TIME_NONE);
  }
  set_text(structure.get(), "label", stored.label);
  set_text(structure.get(), "source", label_source_name(stored.source));
  set_text(structure.get(), "fate", sample_fate_name(stored.fate));
  if (stored.fate == SampleFate::Stored || stored.fate == SampleFate::Relabelled)
    set_text(structure.get(), "side", side_name(stored.side));
  set_count_fields(structure.get(), stored.counts);
  return structure;
}

void set_thumbnail(GstStructure* structure, const std::vector<uint8_t>& jpeg) {
  const auto buffer = GRef<GstBuffer>::adopt(gst_buffer_new_memdup(jpeg.data(), jpeg.size()));
  const auto caps = GRef<GstCaps>::adopt(gst_caps_new_empty_simple("image/jpeg"));
  const auto sample = GRef<GstSample>::adopt(gst_sample_new(buffer.get(), caps.get(), nullptr, nullptr));
  gst_structure_set(structure, "thumbnail", GST_TYPE_SAMPLE, sample.get(), nullptr);
}

StructurePtr write(const LabelRequest& request) {
  StructurePtr structure = event_of("label-request");
  set_number(structure.get(), "request-id", request.id);
  set_key_fields(structure.get(), request.key);
  set_classes(structure.get(), "top", request.top);
  set_real(structure.get(), "margin", request.margin);
  set_thumbnail(structure.get(), request.jpeg);
  return structure;
}

// ---- Runs ----

StructurePtr recipe_structure(const Recipe& recipe) {
  StructurePtr structure(gst_structure_new_empty("recipe"));
  for (const auto& [name, value] : recipe_to_options(recipe)) set_text(structure.get(), name.c_str(), value);
  return structure;
}

StructurePtr write(const TrainStarted& started) {
  StructurePtr structure = event_of("train-started");
  set_number(structure.get(), "run", started.run);
  set_number(structure.get(), "train-samples", started.train_samples);
  set_number(structure.get(), "holdout-samples", started.holdout_samples);
  set_texts(structure.get(), "classes", started.classes);
  set_structure(structure.get(), "recipe", recipe_structure(started.recipe));
  set_texts(structure.get(), "notes", started.notes);
  return structure;
}

StructurePtr write(const EpochEnded& ended) {
  StructurePtr structure = event_of("epoch");
  set_number(structure.get(), "run", ended.run);
  gst_structure_set(structure.get(), "epoch", G_TYPE_UINT, guint{ended.epoch}, "epochs", G_TYPE_UINT,
                    guint{ended.epochs}, nullptr);
  set_real(structure.get(), "loss", ended.loss);
  set_real(structure.get(), "accuracy", ended.accuracy);
  set_real(structure.get(), "seconds", ended.seconds);
  return structure;
}

StructurePtr scores_structure(const char* name, const GateScores& scores) {
  StructurePtr structure(gst_structure_new_empty(name));
  set_real(structure.get(), "top1", scores.top1);
  set_real(structure.get(), "macro-f1", scores.macro_f1);
  set_real(structure.get(), "loss", scores.loss);
  return structure;
}

StructurePtr class_structure(const GateClassFigures& figures) {
  StructurePtr structure(gst_structure_new_empty("class"));
  set_text(structure.get(), "label", figures.name);
  set_number(structure.get(), "samples", figures.samples);
  set_flag(structure.get(), "judged", figures.judged);
  set_flag(structure.get(), "old", figures.old);
  set_number(structure.get(), "incumbent-correct", figures.incumbent_correct);
  set_number(structure.get(), "candidate-correct", figures.candidate_correct);
  return structure;
}

void set_gate_fields(GstStructure* structure, const GateOutcome& outcome) {
  set_text(structure, "verdict", gate_verdict_name(outcome.verdict));
  set_text(structure, "reason", outcome.reason);
  set_text(structure, "metric", gate_metric_name(outcome.metric));
  set_number(structure, "samples", outcome.samples);
  set_number(structure, "judged-samples", outcome.judged_samples);
  set_structure(structure, "incumbent", scores_structure("incumbent", outcome.incumbent));
  set_structure(structure, "candidate", scores_structure("candidate", outcome.candidate));
  set_real(structure, "delta", outcome.delta);
  std::vector<StructurePtr> classes;
  for (const GateClassFigures& figures : outcome.classes) classes.push_back(class_structure(figures));
  set_structures(structure, "classes", std::move(classes));
  set_number(structure, "blocks-won", outcome.blocks_won);
  set_number(structure, "blocks-lost", outcome.blocks_lost);
  set_number(structure, "blocks-tied", outcome.blocks_tied);
  set_real(structure, "p-value", outcome.p_value);
  set_number(structure, "rehearsal-samples", outcome.rehearsal_samples);
  set_real(structure, "rehearsal-incumbent", outcome.rehearsal_incumbent);
  set_real(structure, "rehearsal-candidate", outcome.rehearsal_candidate);
}

StructurePtr write(const Gated& gated) {
  StructurePtr structure = event_of("gate");
  set_number(structure.get(), "run", gated.run);
  set_text(structure.get(), "candidate-kind", gated.candidate);
  set_flag(structure.get(), "asks", gated.asks);
  set_gate_fields(structure.get(), gated.outcome);
  return structure;
}

StructurePtr rejected(const Gated& gated) {
  StructurePtr structure = event_of("rejected");
  set_number(structure.get(), "run", gated.run);
  set_text(structure.get(), "candidate-kind", gated.candidate);
  set_text(structure.get(), "reason", gated.outcome.reason);
  return structure;
}

StructurePtr write(const Promoted& promoted) {
  StructurePtr structure = event_of("promoted");
  set_number(structure.get(), "run", promoted.run);
  set_number(structure.get(), "model-generation", promoted.generation);
  set_text(structure.get(), "model-hash", promoted.sha256);
  set_text(structure.get(), "candidate-kind", promoted.candidate);
  set_texts(structure.get(), "labels", promoted.labels);
  set_real(structure.get(), "temperature", promoted.temperature);
  if (promoted.outcome) set_structure(structure.get(), "gate", gate_structure(promoted.outcome));
  return structure;
}

StructurePtr write(const RolledBack& back) {
  StructurePtr structure = event_of("rolled-back");
  set_number(structure.get(), "model-generation", back.generation);
  set_text(structure.get(), "model-hash", back.sha256);
  set_text(structure.get(), "reason", back.reason);
  return structure;
}

StructurePtr write(const CheckpointWritten& written) {
  StructurePtr structure = event_of("checkpoint");
  set_text(structure.get(), "path", written.path);
  set_number(structure.get(), "model-generation", written.generation);
  return structure;
}

StructurePtr write(const NotTrained& not_trained) {
  StructurePtr structure = event_of("not-trained");
  set_text(structure.get(), "reason", not_trained.reason);
  return structure;
}

StructurePtr write(const LearnerFailed& failed) {
  StructurePtr structure = event_of("error");
  set_error_fields(structure.get(), failed.error);
  return structure;
}

}  // namespace

std::vector<StructurePtr> learner_messages(const LearnerEvent& event) {
  std::vector<StructurePtr> messages;
  messages.push_back(std::visit([](const auto& what) { return write(what); }, event));
  const Gated* gated = std::get_if<Gated>(&event);
  if (gated && gated->outcome.verdict == GateVerdict::Rejected) messages.push_back(rejected(*gated));
  return messages;
}

StructurePtr gate_structure(const std::optional<GateOutcome>& outcome) {
  if (!outcome) return nullptr;
  StructurePtr structure(gst_structure_new_empty("gate"));
  set_gate_fields(structure.get(), *outcome);
  return structure;
}

StructurePtr samples_structure(const LearnerStatus& status) {
  const StoreCounts& counts = status.store;
  std::set<std::string> labels;
  for (const auto& [label, number] : counts.train_per_class) labels.insert(label);
  for (const auto& [label, number] : counts.holdout_per_class) labels.insert(label);
  const auto number_of = [](const std::map<std::string, size_t>& per_class, const std::string& label) {
    const auto found = per_class.find(label);
    return found == per_class.end() ? 0 : found->second;
  };
  std::vector<StructurePtr> classes;
  for (const std::string& label : labels) {
    StructurePtr item(gst_structure_new_empty("class"));
    set_text(item.get(), "label", label);
    set_number(item.get(), "train", number_of(counts.train_per_class, label));
    set_number(item.get(), "holdout", number_of(counts.holdout_per_class, label));
    classes.push_back(std::move(item));
  }
  StructurePtr structure(gst_structure_new_empty("samples-per-class"));
  set_structures(structure.get(), "classes", std::move(classes));
  set_count_fields(structure.get(), counts);
  set_number(structure.get(), "frames-without-slot", status.frames_without_slot);
  set_number(structure.get(), "frames-sure", status.frames_sure);
  set_number(structure.get(), "labels-refused", status.labels_refused);
  set_number(structure.get(), "features-unusable", status.features_unusable);
  return structure;
}

}  // namespace resnetft
