// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <deque>

#include "train/torch/evaluate.h"
#include "train/torch/parameters.h"
#include "train/torch/run_context.h"
#include "train/torch/transfer.h"

namespace resnetft {
namespace {

std::vector<size_t> order_of(const RunContext& run, const Recipe& recipe) {
  const Dataset& data = *run.spec.train;
  if (recipe.sampler == Sampler::Random)
    return shuffled_order(data.size(), recipe.seed, run.state.epochs, recipe.ra_reps);
  return balanced_order(class_ids_of(data), recipe.seed, run.state.epochs);
}

// The rate falls with the epochs of the phase that brought no gain.
double plateau_of(const RunContext& run, const Phase& phase) {
  if (phase.recipe.lr_scheduler != LrScheduler::Plateau) return 1;
  const bool loss = phase.recipe.eval_metric == EvalMetric::Loss;
  std::vector<double> metric;
  for (const EpochReport& report : run.state.history)
    if (report.epoch > phase.first_epoch && report.validation)
      metric.push_back(loss ? report.validation->loss : merit(phase.recipe, *report.validation));
  return plateau_factor(phase.recipe, metric, loss);
}

Error not_finite(const RunContext& run, const Phase& phase, const char* what, uint64_t step) {
  std::string message = std::string(what).append(" of step ").append(std::to_string(step));
  message.append(" (epoch ").append(std::to_string(run.state.epochs + 1)).append(") is not finite");
  std::string hint = "lower --lr (now " + std::to_string(phase.recipe.lr) + ") or pass --clip-grad-norm 1";
  if (phase.recipe.precision == TrainPrecision::Bf16 || phase.recipe.precision == TrainPrecision::Fp16)
    hint += ", or use --precision fp32";
  return {ErrorCode::Internal, message, hint};
}

// The parts of an epoch that stay the same from step to step.
struct EpochPlan {
  uint64_t batches;
  uint64_t steps;
  uint64_t accumulate;
  double plateau;
  double begun;  // seconds() at its begin here
  double waited_before;
  int64_t images_before;  // of an earlier session
  size_t images;
  bool on_features;
  at::Device device = at::kCPU;  // that the steps are done on
};

// A step whose sums a device may still be at work on.
struct StepUnderWay {
  uint64_t number;  // in the run, from 1
  double learning_rate;
  std::vector<BatchSums> batches = {};
  std::vector<IdleTime> waits = {};  // for its batches and, where it had no other work, for the one ahead
};

// The steps of an epoch that the run's state does not count yet. On a GPU the last one is not asked for until the next
// one is queued: who waits for it leaves the GPU without work.
class StepsUnderWay {
 public:
  StepsUnderWay(RunContext& run, const at::Device& device) : run_(run), may_stay_(device.is_cpu() ? 0 : 1) {}

  void add(StepUnderWay step) { steps_.push_back(std::move(step)); }
  // Counts those that need not be waited for. None, or the number of a step whose loss is not finite.
  std::optional<uint64_t> count() { return count_all_but(may_stay_); }
  std::optional<uint64_t> count_all() { return count_all_but(0); }

 private:
  std::optional<uint64_t> count_all_but(size_t kept) {
    for (; steps_.size() > kept; steps_.pop_front())
      if (!count(steps_.front())) return steps_.front().number;
    return std::nullopt;
  }

  bool count(const StepUnderWay& step) {
    StepSums sums;
    for (const BatchSums& batch : step.batches) {
      const StepSums one = batch.value();
      if (!std::isfinite(one.loss)) return false;
      sums.loss += one.loss;
      sums.correct += one.correct;
      sums.images += one.images;
    }
    for (const IdleTime& wait : step.waits) run_.waited += wait.seconds();
    run_.state.loss_sum += sums.loss;
    run_.state.correct += sums.correct;
    run_.state.images += sums.images;
    if (run_.observer.step)
      run_.observer.step(step.learning_rate, sums.loss / static_cast<double>(std::max<int64_t>(1, sums.images)));
    return true;
  }

  RunContext& run_;
  size_t may_stay_;
  std::deque<StepUnderWay> steps_;
};

// Batches up to the next step of the optimiser.
Status accumulate_batches(RunContext& run, const Phase& phase, PhaseParts& parts, TrainStep& step,
                          const EpochPlan& plan, StepUnderWay& under_way) {
  RunState& state = run.state;
  const uint64_t end = std::min(plan.batches, (state.batches / plan.accumulate + 1) * plan.accumulate);
  for (uint64_t number = state.batches; number < end; ++number) {
    run.pause_point();
    IdleTime wait(plan.device);
    Result<std::optional<TrainBatch>> batch = parts.train->next();
    if (!batch) return batch.error();
    wait.end();
    if (!*batch) return Error{ErrorCode::Internal, "an epoch ended before its last batch", ""};
    MixDraw mix;
    if (parts.train->stage() == Stage::Pictures)
      mix = draw_mix(phase.recipe, state.epochs, static_cast<uint32_t>(number), (*batch)->input.size(3),
                     (*batch)->input.size(2));
    if ((*batch)->class_ids.size(0) > 0) under_way.waits.push_back(std::move(wait));
    under_way.batches.push_back(step.accumulate(parts.train->stage(), std::move(**batch), mix));
    if (plan.device.is_cpu() && !std::isfinite(under_way.batches.back().value().loss)) break;
    IdleTime reading(plan.device);
    parts.train->prefetch();
    reading.end();
    under_way.waits.push_back(std::move(reading));
  }
  state.batches = end;
  return Status::success();
}

// Running statistics, which a forward pass moves before its step is complete.
NamedTensors statistics_of(const RunContext& run) {
  NamedTensors statistics;
  for (const auto& [name, tensor] : run.tensors)
    if (name.ends_with(".running_mean") || name.ends_with(".running_var")) statistics.emplace(name, tensor);
  return statistics;
}

// The same; Cancelled leaves the net as it was before. `before`: room for the statistics.
Status accumulate_or_abandon(RunContext& run, const Phase& phase, PhaseParts& parts, TrainStep& step,
                             const EpochPlan& plan, const NamedTensors& before, StepUnderWay& under_way) {
  const NamedTensors statistics = statistics_of(run);
  const bool moves_them = parts.train->stage() != Stage::Features;
  if (moves_them) copy_all(statistics, before);
  Status done = until_cancelled([&] { return accumulate_batches(run, phase, parts, step, plan, under_way); });
  if (done || done.error().code != ErrorCode::Cancelled) return done;
  step.abandon();
  if (moves_them) copy_all(before, statistics);
  return done;
}

void average(RunContext& run, const Phase& phase, PhaseParts& parts, uint64_t steps_in_epoch, uint64_t steps) {
  if (!parts.average) return;
  if (steps_in_epoch % phase.recipe.model_ema_steps != 0 && steps_in_epoch != steps) return;
  if (parts.head) parts.head->write_to_net();
  parts.average->update(ema_keep(phase.recipe, run.state.averagings++));
}

void tell(RunContext& run, const Phase& phase, const EpochPlan& plan) {
  if (run.state.images == plan.images_before) return;  // the first step is still under way
  TrainProgress progress;
  const double here = run.seconds() - plan.begun;
  const int64_t seen = run.state.images - plan.images_before;
  progress.epoch = run.state.epochs + 1;
  progress.epochs = run.spec.recipe.head_epochs + run.spec.recipe.epochs;
  progress.step = run.state.batches / plan.accumulate;
  progress.steps = plan.steps;
  progress.loss = run.state.images > 0 ? run.state.loss_sum / static_cast<double>(run.state.images) : 0;
  progress.rate = here > 0 ? static_cast<double>(seen) / here : 0;
  progress.on_features = plan.on_features;
  const double left = static_cast<double>(phase.last_epoch() - run.state.epochs) * static_cast<double>(plan.images) -
                      static_cast<double>(run.state.images);
  if (progress.rate > 0) progress.seconds_left = std::max(0.0, left / progress.rate);
  progress.phase = "train";
  run.progress(progress);
}

// A GPU does nothing meanwhile.
void note_waiting(const RunContext& run, const EpochPlan& plan, double seconds) {
  constexpr double kWorthANote = 0.1;
  const double share = (run.waited - plan.waited_before) / std::max(1e-9, seconds);
  if (plan.on_features || share < kWorthANote) return;
  run.note("epoch " + std::to_string(run.state.epochs + 1) + ": the GPU waited " +
           std::to_string(static_cast<int>(100 * share)) +
           " % of the time for pictures; more --workers, --cache uint8 or --fast-decode may help");
}

}  // namespace

double merit(const Recipe& recipe, const ClassificationScores& scores) {
  switch (recipe.eval_metric) {
    case EvalMetric::Top1:
      return scores.top1;
    case EvalMetric::MacroF1:
      return scores.macro_f1;
    case EvalMetric::Loss:
      break;
  }
  return -scores.loss;
}

uint32_t last_gain(const Recipe& recipe, const RunState& state) {
  uint32_t epoch = 0;
  std::optional<double> highest;
  for (const EpochReport& report : state.history) {
    if (report.epoch == 0) continue;
    for (const std::optional<ClassificationScores>* scores : {&report.validation, &report.validation_ema}) {
      if (!*scores || (highest && merit(recipe, **scores) <= *highest)) continue;
      highest = merit(recipe, **scores);
      epoch = report.epoch;
    }
  }
  return epoch;
}

Result<Going> train_epoch(RunContext& run, const Phase& phase, PhaseParts& parts, TrainStep& step,
                          EpochReport& report) {
  RunState& state = run.state;
  const Recipe& recipe = phase.recipe;
  std::vector<size_t> order = order_of(run, recipe);
  EpochPlan plan{};
  plan.device = parts.head ? at::Device(at::kCPU) : device_of(*run.net);
  plan.images = order.size();
  plan.accumulate = recipe.grad_accum_steps;
  plan.batches = (order.size() + recipe.batch_size - 1) / recipe.batch_size;
  plan.steps = (plan.batches + plan.accumulate - 1) / plan.accumulate;
  plan.plateau = plateau_of(run, phase);
  plan.begun = run.seconds();
  plan.waited_before = run.waited;
  plan.images_before = state.images;
  plan.on_features = parts.train->stage() != Stage::Pictures;
  const uint64_t steps_before = (state.epochs - phase.first_epoch) * plan.steps;
  parts.train->start(std::move(order), state.epochs, state.batches);
  const NamedTensors room = clone_all(statistics_of(run));
  StepsUnderWay under_way(run, plan.device);
  const auto diverged = [&](const char* what, uint64_t number) {
    run.diverged = not_finite(run, phase, what, number);
    return Going::Diverged;
  };
  Going going = Going::On;
  while (state.batches < plan.batches && going == Going::On) {
    const uint64_t step_in_epoch = state.batches / plan.accumulate;
    const double rate = learning_rate(recipe, steps_before + step_in_epoch, plan.steps) * plan.plateau;
    StepUnderWay now{run.steps_done + 1, rate};
    const Status queued = accumulate_or_abandon(run, phase, parts, step, plan, room, now);
    if (!queued && queued.error().code == ErrorCode::Cancelled) {
      going = Going::Signal;
      break;
    }
    if (!queued) return queued.error();
    report.learning_rate = rate;
    under_way.add(std::move(now));
    if (const auto number = under_way.count()) return diverged("the loss", *number);
    step.apply(rate);
    ++run.steps_done;
    if (parts.scaler && parts.scaler->has_collapsed())
      return diverged("a gradient, however small the loss is scaled,", run.steps_done - (plan.device.is_cpu() ? 0 : 1));
    average(run, phase, parts, step_in_epoch + 1, plan.steps);
    tell(run, phase, plan);
    going = run.may_go_on();
    const uint32_t interval = run.spec.recipe.checkpoint_interval;
    if (interval > 0 && going == Going::On && run.steps_done % interval == 0) {
      if (const auto number = under_way.count_all()) return diverged("the loss", *number);
      if (const Status saved = run.save(parts); !saved) return saved.error();
    }
  }
  if (const auto number = under_way.count_all()) return diverged("the loss", *number);
  if (parts.head) parts.head->write_to_net();
  report.seconds = run.seconds() - plan.begun;
  note_waiting(run, plan, report.seconds);
  report.on_features = plan.on_features;
  report.rate = static_cast<double>(state.images - plan.images_before) / std::max(1e-9, report.seconds);
  if (report.learning_rate == 0 && plan.steps > 0)  // a resume after the last step
    report.learning_rate = learning_rate(recipe, steps_before + plan.steps - 1, plan.steps) * plan.plateau;
  return going;
}

namespace {

Result<ClassificationScores> judge(RunContext& run, BatchSource& source) {
  const size_t images = run.spec.validation->size();
  const auto pause = [&](size_t done) {
    TrainProgress progress;
    progress.epoch = run.state.epochs + 1;
    progress.epochs = run.spec.recipe.head_epochs + run.spec.recipe.epochs;
    progress.step = done;
    progress.steps = images;
    progress.phase = "validate";
    run.progress(progress);
    run.pause_point();
    return true;
  };
  return until_cancelled([&] { return evaluate(*run.net, source, images, pause); });
}

// With the averaged weights in the net; the plain ones come back, bit for bit.
Result<ClassificationScores> judge_average(RunContext& run, BatchSource& source, const WeightAverage& average) {
  const NamedTensors plain = clone_all(run.tensors);
  copy_all(average.tensors(), run.tensors);
  Result<ClassificationScores> scores = judge(run, source);
  copy_all(plain, run.tensors);
  return scores;
}

// Few pictures give many equal counts; the loss tells them apart.
bool is_better(const Recipe& recipe, const ClassificationScores& scores, const ClassificationScores& best) {
  const double now = merit(recipe, scores), then = merit(recipe, best);
  if (std::isnan(then)) return !std::isnan(now);
  return now > then || (now == then && scores.loss < best.loss);
}

void keep_if_best(RunContext& run, const Phase& phase, const PhaseParts& parts, EpochReport& report) {
  const auto consider = [&](const ClassificationScores& scores, const NamedTensors& tensors, bool is_ema) {
    if (!run.best.empty() && !is_better(phase.recipe, scores, run.state.best_scores)) return;
    run.best = clone_all(tensors);
    run.state.best_scores = scores;
    run.state.best_epoch = report.epoch;
    run.state.best_is_ema = is_ema;
    report.is_best = true;
  };
  consider(*report.validation, run.tensors, false);
  if (report.validation_ema) consider(*report.validation_ema, parts.average->tensors(), true);
}

}  // namespace

EpochReport without_details(EpochReport report) {
  for (std::optional<ClassificationScores>* scores : {&report.validation, &report.validation_ema}) {
    if (!*scores) continue;
    (*scores)->classes.clear();
    (*scores)->confusion.clear();
    (*scores)->bins = {};
  }
  return report;
}

Result<Going> finish_epoch(RunContext& run, const Phase& phase, PhaseParts& parts, EpochReport report) {
  RunState& state = run.state;
  if (!all_finite(run.tensors)) {
    run.diverged = not_finite(run, phase, "a weight after the gradient", run.steps_done + 1);
    return Going::Diverged;
  }
  Result<ClassificationScores> plain = judge(run, *parts.validation);
  if (!plain && plain.error().code == ErrorCode::Cancelled) return Going::Signal;
  if (!plain) return plain.error();
  report.validation = *plain;
  if (parts.average) {
    Result<ClassificationScores> averaged = judge_average(run, *parts.validation, *parts.average);
    if (!averaged && averaged.error().code == ErrorCode::Cancelled) return Going::Signal;
    if (!averaged) return averaged.error();
    report.validation_ema = *averaged;
  }
  const double images = static_cast<double>(std::max<int64_t>(1, state.images));
  report.epoch = state.epochs + 1;
  report.train_loss = state.loss_sum / images;
  report.train_top1 = static_cast<double>(state.correct) / images;
  keep_if_best(run, phase, parts, report);
  state.history.push_back(without_details(report));
  ++state.epochs;
  state.batches = 0;
  state.loss_sum = 0;
  state.correct = state.images = 0;
  if (run.observer.epoch) run.observer.epoch(report);
  return Going::On;
}

}  // namespace resnetft
