// SPDX-License-Identifier: MIT
#include "finetune_state.h"
#include "learner_writer.h"
#include "message_fields.h"

namespace resnetft {
namespace {

// A weak reference that closures may copy.
class WeakElement {
 public:
  explicit WeakElement(GstResnetFinetune* self) { g_weak_ref_init(&weak_, self); }
  ~WeakElement() { g_weak_ref_clear(&weak_); }
  WeakElement(const WeakElement&) = delete;
  WeakElement& operator=(const WeakElement&) = delete;

  GRef<GstElement> get() { return GRef<GstElement>::adopt(static_cast<GstElement*>(g_weak_ref_get(&weak_))); }

 private:
  GWeakRef weak_ = {};
};

void notify_figures(GstElement* element, const LearnerEvent& event) {
  const auto notify = [element](const char* property) { g_object_notify(G_OBJECT(element), property); };
  const bool judged = std::holds_alternative<Gated>(event);
  if (std::holds_alternative<SampleStored>(event)) notify("samples-per-class");
  if (judged || std::holds_alternative<TrainStarted>(event) || std::holds_alternative<EpochEnded>(event))
    notify("progress");
  if (judged) notify("last-metrics");
  if (std::holds_alternative<Promoted>(event) || std::holds_alternative<RolledBack>(event)) notify("generation");
}

void report(GstElement* element, const LearnerEvent& event) {
  for (StructurePtr& message : learner_messages(event)) post_structure(element, std::move(message));
  notify_figures(element, event);
}

}  // namespace

// Where a handler of a message shuts the pipeline down on the learner's own thread, the element must outlive the call:
// the strong reference sees to that.
FinetuneReporter finetune_reporter(GstResnetFinetune* self) {
  const auto weak = std::make_shared<WeakElement>(self);
  return {.observer =
              [weak](const LearnerEvent& event) {
                if (const GRef<GstElement> element = weak->get()) report(element.get(), event);
              },
          .state_changed =
              [weak] {
                if (const GRef<GstElement> element = weak->get())
                  g_object_notify(G_OBJECT(element.get()), "learner-state");
              },
          .in_use = weak};
}

}  // namespace resnetft
