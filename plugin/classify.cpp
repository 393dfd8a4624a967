// SPDX-License-Identifier: MIT
#include "classify.h"

#include "classify_state.h"
#include "error_report.h"

GST_DEBUG_CATEGORY_STATIC(resnet_classify_debug);
#define GST_CAT_DEFAULT resnet_classify_debug

using namespace resnetft;

G_DEFINE_TYPE(GstResnetClassify, gst_resnet_classify, GST_TYPE_RESNET_VIDEO_ANALYZER)

namespace {

// The read-only properties, after those of the option table.
enum ReadOnlyProperty : guint { kNumClasses = 1000, kLabels, kModelGeneration, kModelHash, kStats };

// ---- Properties ----

void reload_model(GstResnetClassify* self) {
  const std::string path = self->state->settings.text("model-file");
  if (self->state->current_slot() && !path.empty()) request_model(self, path);
}

struct PropertyEffect {
  std::string_view name;
  void (*apply)(GstResnetClassify* self);
};

// What happens beside storing the value.
constexpr std::array kEffects = {
    PropertyEffect{"model-file", reload_model},
    PropertyEffect{"labels-file", reload_model},
    PropertyEffect{"overlay",
                   [](GstResnetClassify* self) {
                     self->state->ask_about_overlay = true;
                     gst_base_transform_reconfigure_src(GST_BASE_TRANSFORM(self));
                   }},
};

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  auto* self = GST_RESNET_CLASSIFY(object);
  if (!self->state->settings.has(id)) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    return;
  }
  self->state->settings.set(id, value);
  for (const PropertyEffect& effect : kEffects)
    if (effect.name == spec->name) effect.apply(self);
}

gchar** strv_of(const std::vector<std::string>& texts) {
  gchar** result = g_new0(gchar*, texts.size() + 1);
  for (size_t i = 0; i < texts.size(); ++i) result[i] = g_strdup(texts[i].c_str());
  return result;
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  ClassifyState& state = *GST_RESNET_CLASSIFY(object)->state;
  if (state.settings.has(id)) {
    state.settings.get(id, value);
    return;
  }
  const std::shared_ptr<ModelSlot> slot = state.current_slot();
  const ModelInfo info = (slot ? slot->info() : std::nullopt).value_or(ModelInfo());
  switch (id) {
    case kNumClasses:
      g_value_set_uint(value, static_cast<guint>(info.card.num_classes));
      break;
    case kLabels:
      g_value_take_boxed(value, strv_of(info.card.labels));
      break;
    case kModelGeneration:
      g_value_set_uint64(value, info.generation);
      break;
    case kModelHash:
      g_value_set_string(value, info.sha256.empty() ? nullptr : info.sha256.c_str());
      break;
    case kStats:
      g_value_take_boxed(value, state.stats.structure().release());
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

void install_read_only_properties(GObjectClass* object_class) {
  constexpr auto flags = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  const auto install = [&](guint id, GParamSpec* spec) { g_object_class_install_property(object_class, id, spec); };
  install(kNumClasses,
          g_param_spec_uint("num-classes", "num-classes", "Classes of the current model", 0, G_MAXUINT, 0, flags));
  install(kLabels, g_param_spec_boxed("labels", "labels", "Labels of the current model", G_TYPE_STRV, flags));
  install(kModelGeneration, g_param_spec_uint64("model-generation", "model-generation",
                                                "Generation of the current model; 0: none", 0, G_MAXUINT64, 0, flags));
  install(kModelHash,
          g_param_spec_string("model-hash", "model-hash", "SHA-256 of the current model's file", nullptr, flags));
  install(kStats, g_param_spec_boxed("stats", "stats", "Counts, and p50, p95, p99 of each stage in ns",
                                     GST_TYPE_STRUCTURE, flags));
}

// ---- Life ----

Status start(GstResnetVideoAnalyzer* analyzer) {
  auto* self = GST_RESNET_CLASSIFY(analyzer);
  ClassifyState& state = *self->state;
  Result<ModelRequest> request = model_request(state.settings);
  if (!request) return request.error();
  if (request->path.empty() && state.settings.text("model-instance-id").empty())
    return Error{ErrorCode::InvalidArgument, "there is nothing to classify with",
                 "set model-file to a weight file, or model-instance-id to the name of a shared model"};
  const ModelSlot::Listener listener{[self](const ModelInfo& info) { report_model_changed(self, info); },
                                     [self](const Error& error) { report_model_failed(self, error); }};
  state.stats.reset();
  Result<std::unique_ptr<ModelSlot>> slot =
      ModelSlot::open(state.hub.join(state.settings.text("model-instance-id")), std::move(*request), listener);
  if (!slot) return slot.error();
  state.streaming_slot = std::move(*slot);
  state.missed_model = false;
  state.judge.reset();
  state.next_stats = std::chrono::steady_clock::now() + kStatsInterval;
  state.ask_about_overlay = true;
  state.warned_of_overlay = false;
  const std::scoped_lock guard(state.lock);
  state.slot = state.streaming_slot;
  return Status::success();
}

void stop(GstResnetVideoAnalyzer* analyzer) {
  ClassifyState& state = *GST_RESNET_CLASSIFY(analyzer)->state;
  std::shared_ptr<ModelSlot> slot = std::move(state.streaming_slot);
  {
    const std::scoped_lock guard(state.lock);
    state.slot = nullptr;
  }
  if (slot) slot->close();
  state.judge.reset();
}

// As the classifier will see it: an engine of the CPU that is named decides for auto.
std::string device_of(const ClassifyState& state) {
  const std::string device = state.settings.text("device"), engine = state.settings.word("engine");
  if (!device.empty() && device != "auto") return device;
  return engine == "auto" || engine == "cuda" ? "auto" : "cpu";
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  ClassifyState& state = *GST_RESNET_CLASSIFY(element)->state;
  if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
    state.hub.join(state.settings.text("model-instance-id"));
    state.gpu.open(element, device_of(state));
  }
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_resnet_classify_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_READY_TO_NULL) {
    state.hub.leave();
    state.gpu.close();
  }
  return result;
}

// ---- Memory of a GPU ----

// A model shows what its device is; before there is one, a GPU that is there may be it; below READY nobody has looked.
bool takes_gpu_memory(GstResnetVideoAnalyzer* analyzer) {
  ClassifyState& state = *GST_RESNET_CLASSIFY(analyzer)->state;
  const std::shared_ptr<ModelSlot> slot = state.current_slot();
  const std::optional<ModelInfo> info = slot ? slot->info() : std::nullopt;
  if (info) return info->engine == "cuda";
  return state.gpu.is_open() ? state.gpu.is_offered() : device_of(state) != "cpu";
}

gboolean query(GstBaseTransform* transform, GstPadDirection direction, GstQuery* query) {
  if (GST_QUERY_TYPE(query) == GST_QUERY_CONTEXT &&
      GST_RESNET_CLASSIFY(transform)->state->gpu.answer(GST_ELEMENT(transform), query))
    return TRUE;
  return GST_BASE_TRANSFORM_CLASS(gst_resnet_classify_parent_class)->query(transform, direction, query);
}

// ---- Negotiation of the overlay ----

bool adds_composition(GstBaseTransform* transform) {
  return GST_RESNET_CLASSIFY(transform)->state->settings.boolean("overlay");
}

GstCaps* transform_caps(GstBaseTransform* transform, GstPadDirection direction, GstCaps* caps, GstCaps* filter) {
  const auto possible = GRef<GstCaps>::adopt(
      GST_BASE_TRANSFORM_CLASS(gst_resnet_classify_parent_class)->transform_caps(transform, direction, caps, nullptr));
  GstCaps* result = transform_overlay_caps(direction, possible.get(), adds_composition(transform));
  if (!filter) return result;
  const auto all = GRef<GstCaps>::adopt(result);
  return gst_caps_intersect_full(filter, all.get(), GST_CAPS_INTERSECT_FIRST);
}

GstCaps* fixate_caps(GstBaseTransform* transform, GstPadDirection direction, GstCaps* caps, GstCaps* other) {
  const auto all = GRef<GstCaps>::adopt(other);
  GstCaps* chosen = choose_overlay_caps(all.get(), direction == GST_PAD_SINK && adds_composition(transform));
  return GST_BASE_TRANSFORM_CLASS(gst_resnet_classify_parent_class)->fixate_caps(transform, direction, caps, chosen);
}

void finalize(GObject* object) {
  delete GST_RESNET_CLASSIFY(object)->state;
  G_OBJECT_CLASS(gst_resnet_classify_parent_class)->finalize(object);
}

}  // namespace

static void gst_resnet_classify_class_init(GstResnetClassifyClass* klass) {
  GST_DEBUG_CATEGORY_INIT(resnet_classify_debug, "resnetclassify", 0, "classifies video with a ResNet");
  GObjectClass* object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  install_properties(object_class, classify_options(), "GstResnetClassify");
  install_read_only_properties(object_class);
  install_classify_signals(G_TYPE_FROM_CLASS(klass));

  GST_ELEMENT_CLASS(klass)->change_state = change_state;
  gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "ResNet classifier", "Filter/Analyzer/Video",
                                        "Classifies frames, or regions of interest on them, with a ResNet",
                                        "resnetft maintainers");

  GstResnetVideoAnalyzerClass* analyzer_class = GST_RESNET_VIDEO_ANALYZER_CLASS(klass);
  analyzer_class->start = start;
  analyzer_class->stop = stop;
  analyzer_class->takes_gpu_memory = takes_gpu_memory;
  analyzer_class->wants_frames = [](GstResnetVideoAnalyzer* analyzer) {
    return GST_RESNET_CLASSIFY(analyzer)->state->settings.boolean("enabled");
  };
  analyzer_class->analyze = [](GstResnetVideoAnalyzer* analyzer, const VideoFrame& frame) {
    return classify_frame(GST_RESNET_CLASSIFY(analyzer), frame);
  };
  analyzer_class->reset = [](GstResnetVideoAnalyzer* analyzer, ResetReason, const std::string&) {
    GST_RESNET_CLASSIFY(analyzer)->state->judge.reset();
  };
  analyzer_class->finish = [](GstResnetVideoAnalyzer* analyzer) { report_stats(GST_RESNET_CLASSIFY(analyzer)); };
  analyzer_class->renegotiated = [](GstResnetVideoAnalyzer* analyzer) {
    GST_RESNET_CLASSIFY(analyzer)->state->ask_about_overlay = true;
  };

  GstBaseTransformClass* transform_class = GST_BASE_TRANSFORM_CLASS(klass);
  transform_class->transform_caps = transform_caps;
  transform_class->fixate_caps = fixate_caps;
  transform_class->query = query;
}

static void gst_resnet_classify_init(GstResnetClassify* self) { self->state = new ClassifyState; }
