// SPDX-License-Identifier: MIT
// One run of the loop: whether it may begin, and what becomes of it.
#include <algorithm>
#include <new>
#include <utility>

#include "data/dataset.h"
#include "live/learner_loop.h"

namespace resnetft {
namespace {

const char* trainable_name(Trainable trainable) {
  return trainable == Trainable::Head ? "head" : trainable == Trainable::Layer4 ? "layer4" : "all";
}

// A hook of the trainer's cannot say no: it asks the trainer to stop, and the trainer looks right after.
class RunStop {
 public:
  explicit RunStop(const std::stop_token& outer) : link_(outer, [this] { source_.request_stop(); }) {}
  std::stop_token token() const { return source_.get_token(); }
  void request() { source_.request_stop(); }

 private:
  std::stop_source source_;
  std::stop_callback<std::function<void()>> link_;
};

}  // namespace

TrainingPlan LearnerLoop::make_plan(const LearnerRules& rules) const {
  TrainingPlan plan;
  plan.base = std::shared_ptr<const Model>(collector_.incumbent().snapshot, &collector_.incumbent().snapshot->model());
  plan.base_head = collector_.incumbent_head();
  plan.classes = collector_.classes();
  plan.train = collector_.lessons(HoldoutSide::Train, plan.classes);
  std::vector<SamplePtr> samples;
  for (const Lesson& lesson : plan.train) samples.push_back(lesson.sample);
  plan.manifest = manifest_of(samples);
  const std::vector<Lesson> rehearsed = collector_.rehearsed(HoldoutSide::Train, plan.classes);
  plan.train.insert(plan.train.end(), rehearsed.begin(), rehearsed.end());
  plan.holdout = collector_.lessons(HoldoutSide::Holdout, plan.classes);
  plan.device = shared_.device;
  resolve_plan(plan, rules.recipe, rules.trainable, shared_.spec.threads, shared_.spec.seed);
  return plan;
}

std::string LearnerLoop::missing_classes(const TrainingPlan& plan, const LearnerRules& rules) const {
  const std::vector<size_t> counts = lessons_per_class(plan);
  std::vector<std::string> base, few;
  for (size_t i = 0; i < counts.size(); ++i) {
    const std::string& label = plan.classes[i];
    const bool of_base = shared_.spec.classes == ClassSet::Extend && plan.base_head.find(label);
    if (of_base && counts[i] < rules.min_per_class)
      base.push_back(label);
    else if (counts[i] < (manual_ ? 1 : std::max<size_t>(1, rules.min_per_class)))
      few.push_back(label);
  }
  if (!base.empty())
    return "classes=extend needs min-per-class=" + std::to_string(rules.min_per_class) +
           " samples of each class that the base knows, in seed-dataset or the store; too few of " + listed(base);
  if (few.empty()) return "";
  return "too few training samples of " + listed(few) + ": min-per-class is " + std::to_string(rules.min_per_class);
}

// Empty: nothing.
std::string LearnerLoop::what_is_missing(const TrainingPlan& plan, const LearnerRules& rules) const {
  if (plan.train.empty()) return "there are no training samples: label frames";
  if (plan.classes.size() < 2)
    return "all training samples are of class " + listed(plan.classes) + ": label frames of another class, too";
  if (std::string few = missing_classes(plan, rules); !few.empty()) return few;
  if (rules.trainable == Trainable::Head && plan.recipe.norm != NormChoice::Keep)
    return "another normalisation needs trainable=all: with trainable=head the layers stay as they are";
  if (rules.trainable != Trainable::Head) {
    const size_t lost =
        count_without_picture(plan.train) + count_without_picture(plan.holdout) + shared_.status().features_unusable;
    if (lost > 0)
      return std::string("trainable=") + trainable_name(rules.trainable) + " needs pictures: those of " +
             std::to_string(lost) + " samples of an earlier run were not kept (store-frames=false)";
  }
  if (promoter_.refuses(plan.manifest)) return "these samples gave a generation that was rolled back: label more";
  return "";
}

void LearnerLoop::not_trained(const std::string& reason) {
  if (reason == not_trained_ && !manual_) return;
  not_trained_ = reason;
  shared_.tell(NotTrained{reason});
}

bool LearnerLoop::wants_run(const LearnerRules& rules) {
  if (rules.train == TrainWhen::Off) train_asked_ = false;
  if (train_asked_) return true;
  return rules.train == TrainWhen::Auto &&
         collector_.new_train_samples() >= std::max<size_t>(1, rules.min_new_samples) &&
         collector_.counts().train >= rules.min_samples;
}

void LearnerLoop::run(const LearnerRules& rules) {
  shared_.begin_run();
  run_token_ = shared_.run_token();
  running_ = true;
  manual_ = std::exchange(train_asked_, false);
  collector_.forget_new_train_samples();
  const uint64_t runs_before = run_;
  const Status ended = guarded_run(rules);
  running_ = false;
  shared_.update([](LearnerStatus& status) { status.progress = 0; });
  shared_.end_run(run_ != runs_before);
  run_token_ = shared_.run_token();
  if (ended) return;
  if (ended.error().code == ErrorCode::Cancelled)
    shared_.tell(NotTrained{"the run was cancelled"});
  else
    shared_.fail(ended.error());
}

Status LearnerLoop::guarded_run(const LearnerRules& rules) {
  try {
    return perform_run(rules);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::OutOfMemory, "training: memory ran out", "lower batch-size or replay-max-bytes"};
  } catch (const std::exception& error) {
    return Error{ErrorCode::Internal, std::string("training: ") + error.what(), ""};
  }
}

TrainObserver LearnerLoop::observer_of_run(const Recipe& recipe) {
  TrainObserver observer;
  observer.epoch = [this, epochs = recipe.epochs + recipe.head_epochs](const EpochReport& report) {
    if (report.epoch > 0)
      shared_.tell(EpochEnded{run_, report.epoch, epochs, report.train_loss, report.train_top1, report.seconds});
  };
  observer.progress = [this](const TrainProgress& progress) {
    if (progress.phase != "train" || progress.steps == 0 || progress.epochs == 0) return;
    const double step = static_cast<double>(progress.step) / static_cast<double>(progress.steps);
    const double done = (progress.epoch - 1 + step) / progress.epochs;
    shared_.update([&](LearnerStatus& status) { status.progress = std::min(done, 1.0); });
  };
  return observer;
}

// Cancelled where it was stopped.
Status LearnerLoop::perform_run(const LearnerRules& rules) {
  const auto go_on = [&] { return pause(); };
  if (Status refreshed = collector_.refresh(go_on); !refreshed) return refreshed;
  const TrainingPlan plan = make_plan(rules);
  if (const std::string reason = what_is_missing(plan, rules); !reason.empty()) {
    not_trained(reason);
    return Status::success();
  }
  begin_run(plan);
  const Result<std::shared_ptr<const Model>> model = train_plan(plan);
  if (!model) return model.error();
  shared_.set_state(LearnerState::Judging);
  // Somebody else may have taken the hub elsewhere meanwhile.
  if (Status seen = promoter_.look_at_hub(); !seen) return seen;
  if (Status refreshed = collector_.refresh(go_on); !refreshed) return refreshed;
  Result<Contender> contender = contender_of(plan, *model);
  if (!contender) return contender.error();
  const Result<GateOutcome> verdict = judge(*contender, rules);
  if (!verdict) return verdict.error();
  return conclude(std::move(*contender), *verdict, rules);
}

void LearnerLoop::begin_run(const TrainingPlan& plan) {
  not_trained_.clear();
  shared_.clear_failure();
  pending_.reset();
  waiting_.reset();
  shared_.set_state(LearnerState::Training);
  TrainStarted started{++run_, plan.train.size(), plan.holdout.size(), plan.classes, plan.recipe, plan.notes};
  started.notes.insert(started.notes.end(), notes_.begin(), notes_.end());
  shared_.tell(started);
}

Result<std::shared_ptr<const Model>> LearnerLoop::train_plan(const TrainingPlan& plan) {
  RunStop stop(run_token_);
  const auto pause_point = [&] {
    if (!pause()) stop.request();
  };
  Result<TrainOutcome> outcome = run_plan(plan, observer_of_run(plan.recipe), pause_point, stop.token());
  if (!outcome) return outcome.error();
  if (outcome->diverged) return *outcome->diverged;
  if (outcome->stopped == Stopped::Signal) return Error{ErrorCode::Cancelled, "the run was stopped", ""};
  if (!outcome->model) return Error{ErrorCode::Internal, "training ended without a model", "give it an epoch"};
  return outcome->model;
}

Result<Contender> LearnerLoop::contender_of(const TrainingPlan& plan, const std::shared_ptr<const Model>& model) const {
  Result<std::string> origin = feature_origin(*model, kFeaturePrecision);
  if (!origin) return origin.error();
  Contender contender;
  contender.run = run_;
  contender.snapshot = Snapshot::create(model);
  contender.feature_origin = std::move(*origin);
  contender.temperature = model->card().temperature;
  contender.origin = {.parent_sha256 = parent_for_next(*plan.base),
                      .base_sha256 = base_of_line(*plan.base),
                      .manifest = plan.manifest,
                      .candidate = trainable_name(plan.recipe.trainable),
                      .train_samples = plan.train.size(),
                      .holdout_samples = plan.holdout.size(),
                      .recipe = plan.recipe,
                      .outcome = {},
                      .seed = shared_.spec.seed};
  return contender;
}

}  // namespace resnetft
