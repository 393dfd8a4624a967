// SPDX-License-Identifier: MIT
#include "train/torch/run_context.h"

#include <deque>

namespace resnetft {

RunContext::RunContext(const TrainSpec& asked, const TrainObserver& told, PreprocessorFactory made_there,
                       std::stop_token stop)
    : spec(asked),
      observer(told),
      preprocessors(std::move(made_there)),
      lr(asked.recipe.lr),
      corrupt(asked.recipe, asked.train->size() + (asked.validation ? asked.validation->size() : 0), told.note,
              asked.known_corrupt),
      stop_(std::move(stop)) {}

void RunContext::resolve_rate(double rate) {
  lr = rate;
  Recipe recipe = spec.recipe;
  recipe.lr = rate;
  identity.options = recipe_to_options(recipe);
}

void RunContext::tell_rate(const std::string& why) const {
  if (!observer.resolved) return note(why);
  Recipe recipe = spec.recipe;
  recipe.lr = lr;
  observer.resolved(recipe, why);
}

void RunContext::note(const std::string& sentence) const {
  if (observer.note) observer.note(sentence);
}

void RunContext::note_once(const std::string& sentence) {
  if (noted_.insert(sentence).second) note(sentence);
}

Going RunContext::may_go_on() const {
  if (stop_.stop_requested()) return Going::Signal;
  if (spec.recipe.max_time_s > 0 && seconds() >= spec.recipe.max_time_s) return Going::Time;
  return Going::On;
}

void RunContext::pause_point() const {
  if (spec.pause_point) spec.pause_point();
  if (stop_.stop_requested()) throw Cancelled();
}

double RunContext::seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

void RunContext::progress(const TrainProgress& progress) {
  constexpr std::chrono::milliseconds kBetween(100);
  const Clock::time_point now = Clock::now();
  if (!observer.progress || (now - last_progress_ < kBetween && progress.phase == last_phase_)) return;
  last_progress_ = now;
  last_phase_ = progress.phase;
  observer.progress(progress);
}

Status RunContext::save(const PhaseParts& parts) const {
  if (spec.checkpoint_folder.empty()) return Status::success();
  std::vector<Tensor> list;
  std::deque<NamedTensors> kept;
  const auto append = [&](const NamedTensors& named, const char* prefix) {
    append_tensors(kept.emplace_back(on_cpu(named)), prefix, list);
  };
  if (parts.head) {
    append(parts.head->state(), "head");
    parts.head->write_to_net();
  }
  append(tensors, "net");
  append(best, "best");
  append(parts.optimizer->state(), "optimizer");
  if (parts.average) append(parts.average->tensors(), "ema");
  if (parts.scaler) append(parts.scaler->state(), "scaler");
  RunState now = state;
  now.seconds += seconds();
  now.corrupt = corrupt.names();
  return write_checkpoint(spec.checkpoint_folder, steps_done, spec.recipe.checkpoint_hist, now, identity, list);
}

}  // namespace resnetft
