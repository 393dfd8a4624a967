// SPDX-License-Identifier: MIT
#include "action_signal.h"
#include "error_report.h"
#include "finetune_state.h"
#include "frame_view.h"

namespace resnetft {
namespace {

// None below PAUSED, with a warning.
std::shared_ptr<Learner> learner_for(GstResnetFinetune* self, const char* action) {
  std::shared_ptr<Learner> learner = self->state->current_learner();
  if (!learner)
    post_warning(GST_ELEMENT(self), {ErrorCode::InvalidArgument, std::string(action) + ": nothing is running",
                                     "call it in PAUSED or PLAYING"});
  return learner;
}

bool accepted(GstResnetFinetune* self, const Status& status) {
  if (!status) post_warning(GST_ELEMENT(self), status.error());
  return status.ok();
}

// None for an empty label and for one that is not UTF-8, with a warning.
std::optional<std::string> label_for(GstResnetFinetune* self, const char* action, const gchar* label) {
  const bool given = label && *label;
  if (given && g_utf8_validate(label, -1, nullptr)) return label;
  post_warning(GST_ELEMENT(self),
               {ErrorCode::InvalidArgument,
                std::string(action) + (given ? ": the label is not UTF-8" : ": no label is given"), "name the class"});
  return std::nullopt;
}

template <bool (Learner::*Ask)()>
gboolean ask(GstResnetFinetune* self, const char* action) {
  const std::shared_ptr<Learner> learner = learner_for(self, action);
  return learner && ((*learner).*Ask)();
}

gboolean train_now(GstResnetFinetune* self) { return ask<&Learner::train_now>(self, "train-now"); }
gboolean cancel(GstResnetFinetune* self) { return ask<&Learner::cancel>(self, "cancel"); }
gboolean promote(GstResnetFinetune* self) { return ask<&Learner::promote>(self, "promote"); }
gboolean roll_back(GstResnetFinetune* self) { return ask<&Learner::rollback>(self, "rollback"); }

guint label_range(GstResnetFinetune* self, const gchar* label, guint64 from, guint64 to) {
  const std::shared_ptr<Learner> learner = learner_for(self, "label-range");
  if (!learner) return 0;
  const std::optional<std::string> named = label_for(self, "label-range", label);
  return named ? static_cast<guint>(learner->label_range(*named, from, to)) : 0;
}

gboolean answer(GstResnetFinetune* self, guint64 request, const gchar* label) {
  const std::shared_ptr<Learner> learner = learner_for(self, "answer");
  if (!learner) return FALSE;
  const std::optional<std::string> named = label_for(self, "answer", label);
  return named && learner->answer(request, *named);
}

gboolean add_sample(GstResnetFinetune* self, GstSample* sample, const gchar* label) {
  const std::shared_ptr<Learner> learner = learner_for(self, "add-sample");
  if (!learner) return FALSE;
  const std::optional<std::string> named = label_for(self, "add-sample", label);
  if (!named) return FALSE;
  const Result<MappedFrame> mapped = MappedFrame::map_sample(sample, "add-sample");
  return accepted(self, mapped ? learner->add_sample(mapped->view(), *named) : Status(mapped.error()));
}

gboolean save(GstResnetFinetune* self, const gchar* path) {
  const std::shared_ptr<Learner> learner = learner_for(self, "save");
  return learner && accepted(self, learner->save(path ? path : ""));
}

}  // namespace

void install_finetune_actions(GType type) {
  install_action(type, "train-now", G_CALLBACK(train_now), G_TYPE_BOOLEAN, {});
  install_action(type, "cancel", G_CALLBACK(cancel), G_TYPE_BOOLEAN, {});
  install_action(type, "promote", G_CALLBACK(promote), G_TYPE_BOOLEAN, {});
  install_action(type, "rollback", G_CALLBACK(roll_back), G_TYPE_BOOLEAN, {});
  install_action(type, "label-range", G_CALLBACK(label_range), G_TYPE_UINT,
                 {G_TYPE_STRING, G_TYPE_UINT64, G_TYPE_UINT64});
  install_action(type, "answer", G_CALLBACK(answer), G_TYPE_BOOLEAN, {G_TYPE_UINT64, G_TYPE_STRING});
  install_action(type, "add-sample", G_CALLBACK(add_sample), G_TYPE_BOOLEAN, {GST_TYPE_SAMPLE, G_TYPE_STRING});
  install_action(type, "save", G_CALLBACK(save), G_TYPE_BOOLEAN, {G_TYPE_STRING});
}

}  // namespace resnetft
