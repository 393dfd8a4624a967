// SPDX-License-Identifier: MIT
#include "live/promoter.h"

#include <future>

#include "base/log.h"

namespace resnetft {
namespace {

Result<std::shared_ptr<const Model>> finished(const Contender& contender) {
  const Model& model = contender.snapshot->model();
  const Result<LinearHead> head = head_of(model);
  if (!head) return head.error();
  return with_head(model, *head, contender.temperature, origin_to_json(contender.origin));
}

}  // namespace

Status resume_hub(ModelHub& hub, const GenerationFiles& files, const GenerationFiles::Note& note) {
  const ModelHub::Current now = hub.current();
  // A hub that has seen more than its first model is alive: what it shows is newer than any file.
  if (now.generation > 1) return Status::success();
  const std::shared_ptr<const Model> model = files.newest_good(note);
  if (!model || (now.snapshot && now.snapshot->model().sha256() == model->sha256())) return Status::success();
  const Result<ModelHub::Current> published = hub.publish(model);
  if (!published) return published.error();
  log(LogLevel::Info, "learner: goes on from '" + model->path() + "'");
  return Status::success();
}

Promoter::Promoter(LearnerShared& shared, Collector& collector, GenerationFiles files)
    : shared_(shared), collector_(collector), files_(std::move(files)) {}

Status Promoter::begin(const ModelHub::Current& now) {
  was_shown_.insert(now.snapshot->model().sha256());
  return collector_.follow(now);
}

Status Promoter::promote(const Contender& contender) {
  const Result<std::shared_ptr<const Model>> model = finished(contender);
  if (!model) return model.error();
  std::string path;
  if (files_.writes()) {
    Result<std::string> written = files_.write(**model);
    if (!written) return written.error();
    path = std::move(*written);
  }
  const bool replaces_instant = ancestry_of(collector_.incumbent().snapshot->model().card()).candidate == kInstantHead;
  const Result<ModelHub::Current> now = shared_.spec.hub->publish(*model);
  if (!now) {
    if (!path.empty()) files_.remove(path);
    return now.error();
  }
  const bool is_instant = contender.origin.candidate == kInstantHead;
  if (is_instant && replaces_instant && !instant_file_.empty()) {
    files_.remove(instant_file_);
    without_file_.insert(collector_.incumbent().snapshot->model().sha256());
  }
  instant_file_ = is_instant ? path : "";
  follow(*now, !(is_instant && replaces_instant));
  const ModelCard& card = (*model)->card();
  shared_.tell(Promoted{contender.run, now->generation, (*model)->sha256(), contender.origin.candidate, card.labels,
                        card.temperature, contender.origin.outcome});
  if (!path.empty()) shared_.tell(CheckpointWritten{path, now->generation});
  return Status::success();
}

void Promoter::follow(const ModelHub::Current& now, bool held_against_the_old) {
  was_shown_.insert(now.snapshot->model().sha256());
  if (const Status followed = collector_.follow(now); !followed) shared_.fail(followed.error());
  if (held_against_the_old) collector_.watch().model_changed();
}

// The model that was left must not come back at the next start, but the one that is shown again.
Status Promoter::went_back(const ModelHub::Current& now, const std::string& reason) {
  const std::shared_ptr<const Snapshot> left = collector_.incumbent().snapshot;
  const Status refused = files_.refuse(left->model().sha256(), ancestry_of(left->model().card()).manifest);
  instant_file_.clear();
  follow(now, false);
  collector_.watch().start_over();
  shared_.tell(RolledBack{now.generation, now.snapshot->model().sha256(), reason});
  const Status kept = keep(now);
  return refused ? kept : refused;
}

Status Promoter::keep(const ModelHub::Current& now) {
  const Model& model = now.snapshot->model();
  if (!files_.writes() || without_file_.erase(model.sha256()) == 0) return Status::success();
  Result<std::string> written = files_.write(model);
  if (!written) return written.error();
  instant_file_ = *written;
  shared_.tell(CheckpointWritten{*written, now.generation});
  return Status::success();
}

Status Promoter::roll_back(const std::string& reason) {
  std::promise<Result<ModelHub::Current>> promise;
  shared_.spec.hub->rollback([&](const Result<ModelHub::Current>& outcome) { promise.set_value(outcome); });
  const Result<ModelHub::Current> now = promise.get_future().get();
  if (!now) return now.error();
  return went_back(*now, reason);
}

Status Promoter::look_at_hub() {
  const ModelHub::Current now = shared_.spec.hub->current();
  if (now.generation == collector_.incumbent().generation) return Status::success();
  const Model& model = now.snapshot->model();
  if (was_shown_.contains(model.sha256())) return went_back(now, "somebody else took the hub back");
  instant_file_.clear();
  follow(now, false);
  collector_.watch().start_over();
  const ModelCard& card = model.card();
  shared_.tell(Promoted{0, now.generation, model.sha256(), "loaded", card.labels, card.temperature, {}});
  return Status::success();
}

}  // namespace resnetft
