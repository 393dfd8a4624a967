// SPDX-License-Identifier: MIT
// ft-tool lr-find: the range test of Smith 2017 (section 3.3): the learning rate rises linearly from a hundredth of
// --max-lr to --max-lr over one short run, and the loss of each step tells where learning is fast and where it breaks.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stop_token>

#include "base/atomic_file.h"
#include "json_text.h"
#include "terminal.h"
#include "tool_options.h"
#include "train/report_chart.h"
#include "train_options.h"
#include "verbs.h"

namespace resnetft::tool {
namespace {

constexpr double kSmoothing = 0.9;  // share of the past in the smoothed loss
constexpr double kDiverged = 4;     // times the lowest smoothed loss: nothing is to be learned beyond
constexpr double kShareOfLowest =
    0.1;  // an order of magnitude below the lowest loss's rate: it is about to break there

struct Step {
  double rate, loss, smoothed;
};

// So many pictures, all as often as any other but one.
std::vector<size_t> indexes_of(size_t images, size_t count, uint64_t seed) {
  std::vector<size_t> indexes;
  for (uint32_t round = 0; indexes.size() < count; ++round)
    for (const size_t index : shuffled_order(images, seed, round))
      if (indexes.size() < count) indexes.push_back(index);
  return indexes;
}

Recipe sweep_of(Recipe recipe, double max_rate) {
  recipe.head_epochs = recipe.early_stop_patience = 0;
  recipe.epochs = 1;
  recipe.lr = max_rate;
  recipe.lr_scheduler = LrScheduler::Constant;
  recipe.lr_warmup_epochs = 1;
  recipe.ra_reps = 1;
  recipe.model_ema = false;
  recipe.max_time_s = 0;
  recipe.checkpoint_interval = 0;
  return recipe;
}

class Sweep {
 public:
  explicit Sweep(std::stop_source& stop) : stop_(stop) {}

  void add(double rate, double loss) {
    average_ = kSmoothing * average_ + (1 - kSmoothing) * loss;
    const double weight = 1 - std::pow(kSmoothing, static_cast<double>(points.size() + 1));
    points.push_back({rate, loss, average_ / weight});
    diverged = points.back().smoothed > kDiverged * lowest()->smoothed;
    if (diverged || interrupted()) stop_.request_stop();
  }
  std::vector<Step>::const_iterator lowest() const { return std::ranges::min_element(points, {}, &Step::smoothed); }

  std::vector<Step> points;
  bool diverged = false;

 private:
  std::stop_source& stop_;
  double average_ = 0;
};

Status check_points(const Sweep& sweep) {
  if (interrupted()) return interrupted_error();
  if (!sweep.points.empty()) return Status::success();
  return Error{ErrorCode::InvalidArgument, "the loss was not finite from the first step on", "lower --max-lr"};
}

Chart chart_of(const Sweep& sweep) {
  Chart chart{"loss over the learning rate", "learning rate", {{"each step", {}}, {"smoothed", {}}}, true};
  for (const Step& step : sweep.points) {
    chart.lines[0].points.emplace_back(step.rate, step.loss);
    chart.lines[1].points.emplace_back(step.rate, step.smoothed);
  }
  return chart;
}

std::string to_json(const Sweep& sweep, double suggested) {
  OrderedJson json;
  json["suggested-lr"] = suggested;
  json["lowest-loss-lr"] = sweep.lowest()->rate;
  json["diverged"] = sweep.diverged;
  for (const Step& step : sweep.points)
    json["steps"].push_back({{"lr", step.rate}, {"loss", step.loss}, {"smoothed-loss", step.smoothed}});
  return json_text(json) + "\n";
}

std::string to_text(const Sweep& sweep, double suggested) {
  char text[240];
  std::snprintf(text, sizeof text, "suggested lr: %.3g (a tenth of %.3g, where the smoothed loss was lowest)\n",
                suggested, sweep.lowest()->rate);
  return text + std::string(sweep.diverged ? "" : "the loss did not break yet: a larger --max-lr may tell more\n");
}

Result<int> run(const CommandLine& original) {
  const Result<CommandLine> line = with_config(original);
  if (!line) return line.error();
  const Result<TrainPlan> plan = plan_training(*line);
  if (!plan) return plan.error();
  const bool sgd = plan->recipe.opt == Optimizer::Sgd || plan->recipe.opt == Optimizer::SgdNesterov;
  const double max_rate = line->real("max-lr") > 0 ? line->real("max-lr") : sgd ? 1 : 0.1;
  const Recipe recipe = sweep_of(plan->recipe, max_rate);
  const uint64_t steps = line->number("steps");
  const size_t images = steps * recipe.batch_size * recipe.grad_accum_steps;

  TrainSpec spec;
  spec.base = plan->base;
  spec.card = plan->card;
  spec.recipe = recipe;
  spec.device = plan->device;
  spec.known_corrupt = plan->corrupt;
  spec.train = subset(plan->data.train, indexes_of(plan->data.train->size(), images, recipe.seed));
  spec.validation = subset(plan->data.validation, {0});  // the trainer judges an epoch; nobody asks how
  std::stop_source stop;
  Sweep sweep(stop);
  Progress progress("lr-find", static_cast<int64_t>(steps));
  TrainObserver observer;
  observer.note = say;
  observer.step = [&](double rate, double loss) {
    sweep.add(rate, loss);
    progress.advance(1);
  };
  const Result<TrainOutcome> outcome = train(spec, observer, stop.get_token());
  if (!outcome) return outcome.error();
  sweep.diverged |= outcome->diverged.has_value();
  if (Status status = check_points(sweep); !status) return status.error();
  if (line->given("svg"))
    if (Status status = write_file_atomically(line->text("svg"), chart_to_svg_file(chart_of(sweep))); !status)
      return status.error();
  const double suggested = kShareOfLowest * sweep.lowest()->rate;
  const std::string text = line->flag("json") ? to_json(sweep, suggested) : to_text(sweep, suggested);
  if (Status status = write_out(text); !status) return status.error();
  return 0;
}

// train's, without what only a whole run has.
std::vector<Option> options() {
  std::vector<Option> rows = train_options();
  std::erase_if(rows, [](const Option& row) { return row.name == "output" || row.name == "resume"; });
  const std::vector<Option> own = option_rows({"max-lr", "steps", "svg"});
  rows.insert(rows.begin(), own.begin(), own.end());
  return rows;
}

}  // namespace

Verb lr_find_verb() {
  std::vector<OptionGroup> groups = train_option_groups();
  groups.insert(groups.begin(), OptionGroup{"The test", "max-lr"});
  return {.name = "lr-find",
          .arguments = "--data FOLDER",
          .summary = "Suggests a learning rate by a short run in which it rises",
          .description =
              "The model file stays as it is. All of train's options are understood; those of length and "
              "schedule have no say.\n\n"
              "  ft-tool lr-find --data birds/ --model-file resnet18-f37072fd.pth --svg lr.svg",
          .options = options(),
          .run = run,
          .groups = std::move(groups),
          .aliases = train_option_aliases(),
          .check = check_train_option};
}

}  // namespace resnetft::tool
