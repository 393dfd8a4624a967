// SPDX-License-Identifier: MIT
#include "finetune.h"

#include <chrono>
#include <thread>

#include "error_report.h"
#include "finetune_state.h"
#include "learner_writer.h"

GST_DEBUG_CATEGORY_STATIC(resnet_finetune_debug);
#define GST_CAT_DEFAULT resnet_finetune_debug

using namespace resnetft;

G_DEFINE_TYPE(GstResnetFinetune, gst_resnet_finetune, GST_TYPE_RESNET_VIDEO_ANALYZER)

namespace {

// ---- Properties ----

// Rules that ft-tool would refuse leave the running learner with those that it has.
void hand_over_rules(GstResnetFinetune* self) {
  FinetuneState& state = *self->state;
  std::optional<Error> refused;
  {
    const std::scoped_lock guard(state.rules_lock);
    const std::shared_ptr<Learner> learner = state.current_learner();
    if (!learner) return;
    const Result<LearnerRules> rules = learner_rules(state.settings);
    if (rules) learner->set_rules(*rules);
    if (!rules) refused = rules.error();
  }
  if (refused) post_warning(GST_ELEMENT(self), *refused);
}

// A class's name goes into messages and files that have to be UTF-8.
bool is_unusable_label(const GParamSpec* spec, const GValue* value) {
  if (g_strcmp0(spec->name, "label") != 0) return false;
  const gchar* label = g_value_get_string(value);
  return label && !g_utf8_validate(label, -1, nullptr);
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  auto* self = GST_RESNET_FINETUNE(object);
  if (is_unusable_label(spec, value)) {
    post_warning(GST_ELEMENT(self),
                 {ErrorCode::InvalidArgument, "label: what is given is not UTF-8", "the label stays as it is"});
    return;
  }
  if (!self->state->settings.has(id)) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    return;
  }
  self->state->settings.set(id, value);
  hand_over_rules(self);
}

GType learner_state_type() {
  static const GType type = [] {
    constexpr size_t count = static_cast<size_t>(LearnerState::Error) + 1;
    static std::array<GEnumValue, count + 1> values = {};
    for (size_t i = 0; i < count; ++i) {
      const char* name = learner_state_name(static_cast<LearnerState>(i));
      values[i] = {static_cast<gint>(i), name, name};
    }
    return g_enum_register_static("GstResnetFinetuneLearnerState", values.data());
  }();
  return type;
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  FinetuneState& state = *GST_RESNET_FINETUNE(object)->state;
  if (state.settings.has(id)) {
    state.settings.get(id, value);
    return;
  }
  const std::shared_ptr<Learner> learner = state.current_learner();
  const LearnerStatus status = learner ? learner->status() : LearnerStatus();
  switch (id) {
    case kLearnerState:
      g_value_set_enum(value, static_cast<gint>(status.state));
      break;
    case kProgress:
      g_value_set_double(value, status.progress);
      break;
    case kSamplesPerClass:
      g_value_take_boxed(value, samples_structure(status).release());
      break;
    case kLastMetrics:
      g_value_take_boxed(value, gate_structure(status.last_gate).release());
      break;
    case kGeneration:
      g_value_set_uint64(value, status.generation);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

void install_read_only_properties(GObjectClass* object_class) {
  constexpr auto flags = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  const auto install = [&](guint id, GParamSpec* spec) { g_object_class_install_property(object_class, id, spec); };
  install(kLearnerState, g_param_spec_enum("learner-state", "learner-state", "What the learner is doing",
                                           learner_state_type(), static_cast<gint>(LearnerState::Idle), flags));
  install(kProgress, g_param_spec_double("progress", "progress", "Of the run under way, 0 to 1", 0, 1, 0, flags));
  install(kSamplesPerClass,
          g_param_spec_boxed("samples-per-class", "samples-per-class", "Samples kept to learn from and to judge by",
                             GST_TYPE_STRUCTURE, flags));
  install(kLastMetrics,
          g_param_spec_boxed("last-metrics", "last-metrics", "Figures of the last gate", GST_TYPE_STRUCTURE, flags));
  install(kGeneration, g_param_spec_uint64("generation", "generation", "Generation of the shared model; 0: none", 0,
                                           G_MAXUINT64, 0, flags));
  gst_type_mark_as_plugin_api(learner_state_type(), static_cast<GstPluginAPIFlags>(0));
}

// ---- Life ----

constexpr auto kLastLearnerWithin = std::chrono::seconds(2);
constexpr auto kLastLearnerPoll = std::chrono::milliseconds(5);

void wait_for_last_learner(const FinetuneState& state) {
  const auto deadline = std::chrono::steady_clock::now() + kLastLearnerWithin;
  while (!state.reporter_in_use.expired() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(kLastLearnerPoll);
}

Status start(GstResnetVideoAnalyzer* analyzer) {
  auto* self = GST_RESNET_FINETUNE(analyzer);
  FinetuneState& state = *self->state;
  Result<LearnerSpec> spec = learner_spec(state.settings);
  if (!spec) return spec.error();
  spec->hub = state.hub.join(state.settings.text("model-instance-id"));
  wait_for_last_learner(state);
  FinetuneReporter reporter = finetune_reporter(self);
  spec->state_changed = std::move(reporter.state_changed);
  state.reporter_in_use = reporter.in_use;
  Result<std::unique_ptr<Learner>> learner = Learner::create(std::move(*spec), std::move(reporter.observer));
  if (!learner) return learner.error();
  state.collecting = Collecting();
  state.collecting.track = LabelTrack((*learner)->next_epoch());
  state.streaming_learner = std::move(*learner);
  {
    const std::scoped_lock guard(state.lock);
    state.learner = state.streaming_learner;
  }
  for (const Error& warning : state.streaming_learner->start_warnings()) post_warning(GST_ELEMENT(self), warning);
  hand_over_rules(self);  // what was set meanwhile
  return Status::success();
}

void stop(GstResnetVideoAnalyzer* analyzer) {
  FinetuneState& state = *GST_RESNET_FINETUNE(analyzer)->state;
  const std::shared_ptr<Learner> learner = std::move(state.streaming_learner);
  std::vector<GRef<GstEvent>> unused;
  {
    const std::scoped_lock guard(state.lock);
    state.learner = nullptr;
    unused.swap(state.queued_labels);
  }
  if (learner) learner->stop();
}

void finish(GstResnetVideoAnalyzer* analyzer) {
  FinetuneState& state = *GST_RESNET_FINETUNE(analyzer)->state;
  if (!state.settings.boolean("finish-on-eos")) return;
  state.streaming_learner->finish([analyzer] { return gst_resnet_video_analyzer_interrupted(analyzer); });
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  FinetuneState& state = *GST_RESNET_FINETUNE(element)->state;
  if (transition == GST_STATE_CHANGE_NULL_TO_READY) state.hub.join(state.settings.text("model-instance-id"));
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_resnet_finetune_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_READY_TO_NULL) state.hub.leave();
  return result;
}

// ---- Label events ----

gboolean sink_event(GstBaseTransform* transform, GstEvent* event) {
  if (is_label_event(event)) take_label_event(GST_RESNET_FINETUNE(transform), event);
  return GST_BASE_TRANSFORM_CLASS(gst_resnet_finetune_parent_class)->sink_event(transform, event);
}

// From an application: pushing it from here would wait for the streaming thread, in PAUSED for ever.
gboolean send_event(GstElement* element, GstEvent* event) {
  if (!is_label_event(event)) return GST_ELEMENT_CLASS(gst_resnet_finetune_parent_class)->send_event(element, event);
  GRef<GstEvent> owned = GRef<GstEvent>::adopt(event);
  FinetuneState& state = *GST_RESNET_FINETUNE(element)->state;
  const std::scoped_lock guard(state.lock);
  if (!state.learner) return FALSE;
  state.queued_labels.push_back(std::move(owned));
  return TRUE;
}

void finalize(GObject* object) {
  delete GST_RESNET_FINETUNE(object)->state;
  G_OBJECT_CLASS(gst_resnet_finetune_parent_class)->finalize(object);
}

}  // namespace

static void gst_resnet_finetune_class_init(GstResnetFinetuneClass* klass) {
  GST_DEBUG_CATEGORY_INIT(resnet_finetune_debug, "resnetfinetune", 0, "teaches a ResNet from labelled video");
  GObjectClass* object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  install_properties(object_class, finetune_options(), "GstResnetFinetune");
  install_read_only_properties(object_class);
  install_finetune_actions(G_TYPE_FROM_CLASS(klass));

  GST_ELEMENT_CLASS(klass)->change_state = change_state;
  GST_ELEMENT_CLASS(klass)->send_event = send_event;
  gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "ResNet fine-tuner", "Filter/Analyzer/Video",
                                        "Teaches a shared ResNet from the labelled frames that pass",
                                        "resnetft maintainers");
  GST_BASE_TRANSFORM_CLASS(klass)->sink_event = sink_event;

  GstResnetVideoAnalyzerClass* analyzer_class = GST_RESNET_VIDEO_ANALYZER_CLASS(klass);
  analyzer_class->start = start;
  analyzer_class->stop = stop;
  analyzer_class->wants_frames = [](GstResnetVideoAnalyzer* analyzer) {
    return collects_frames(GST_RESNET_FINETUNE(analyzer));
  };
  analyzer_class->analyze = [](GstResnetVideoAnalyzer* analyzer, const VideoFrame& frame) -> Result<FrameWork> {
    return collect_frame(GST_RESNET_FINETUNE(analyzer), frame);
  };
  analyzer_class->reset = [](GstResnetVideoAnalyzer* analyzer, ResetReason reason, const std::string& stream_id) {
    reset_collecting(GST_RESNET_FINETUNE(analyzer), reason, stream_id);
  };
  analyzer_class->finish = finish;
}

static void gst_resnet_finetune_init(GstResnetFinetune* self) { self->state = new FinetuneState; }
