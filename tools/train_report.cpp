// SPDX-License-Identifier: MIT
#include "train_report.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "base/formatted.h"
#include "json_text.h"
#include "model/normalization.h"

namespace resnetft::tool {
namespace {

constexpr std::array<std::string_view, 4> kStopped = {"completed", "early", "time", "signal"};

std::string_view ending_name(const TrainOutcome& outcome) {
  return outcome.diverged ? "diverged" : kStopped[static_cast<size_t>(outcome.stopped)];
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.find(": ") + 2, line.size()));
  return "unknown";
}

Facts machine_facts(const Recipe& recipe) {
  utsname system = {};
  uname(&system);
  const double memory = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  return {
      {"processor", processor()},
      {"threads", std::to_string(recipe.threads) + " that compute, " + std::to_string(recipe.workers) + " that decode"},
      {"memory", formatted("%.1f GiB", memory / (1 << 30))},
      {"system", std::string(system.sysname) + " " + system.release + ", " + system.machine},
      {"ft-tool", RESNETFT_VERSION}};
}

// "owl 20, kite 18"; a thousand classes are counted only.
std::string counts_of(const Dataset& data) {
  constexpr size_t kMaxClasses = 50;
  const std::vector<std::string>& classes = data.classes();
  if (classes.size() > kMaxClasses) return std::to_string(data.size());
  const std::vector<size_t> counts = class_counts_of(data);
  std::string text = std::to_string(data.size()) + ":";
  for (size_t i = 0; i < classes.size(); ++i)
    text.append(i == 0 ? " " : ", ").append(classes[i]).append(" ").append(std::to_string(counts[i]));
  return text;
}

Facts data_facts(const TrainPlan& plan, const TrainOutcome& outcome) {
  return {{"split", plan.data.how},
          {"training pictures", counts_of(*plan.data.train)},
          {"validation pictures", counts_of(*plan.data.validation)},
          {"training manifest", plan.data.train->manifest_hash()},
          {"validation manifest", plan.data.validation->manifest_hash()},
          {"pictures left out", std::to_string(outcome.skipped_images)}};
}

Facts recipe_facts(const TrainPlan& plan) {
  Facts facts;
  for (const std::string& decision : plan.decisions) facts.emplace_back("decided", decision);
  for (const auto& argument : plan.arguments) facts.push_back(argument);
  return facts;
}

std::string size_text(const PreprocessSpec& spec) {
  return formatted("%dx%d after a resize to %d", spec.crop_width, spec.crop_height, spec.resize);
}

const char* rate_unit(bool on_features) { return on_features ? "features/s" : "images/s"; }

// Pictures went through the network, features only through what learned.
std::string time_text(const TrainOutcome& outcome) {
  std::string text = formatted("%.1f s, %.1f images/s", outcome.seconds, outcome.images_per_second);
  if (outcome.features_per_second > 0)
    text += formatted(" through the network, %.0f cached features/s", outcome.features_per_second);
  return text;
}

// Of the base's evaluation before training, where there was one.
const ClassificationScores* base_scores(const TrainOutcome& outcome) {
  for (const EpochReport& report : outcome.history)
    if (report.epoch == 0 && report.validation) return &*report.validation;
  return nullptr;
}

Facts run_facts(const FinishedRun& run) {
  const TrainOutcome& outcome = run.outcome;
  Facts facts = {
      {"model", run.model_file},
      {"architecture", run.plan.card.architecture + ", " +
                           std::string(normalization_name(run.plan.card.normalization)) + " normalisation"},
      {"input", size_text(run.plan.card.preprocess)},
      {"base", run.plan.base ? run.plan.base->path() + ", sha256 " + run.plan.base->sha256() : "none: from scratch"}};
  if (const ClassificationScores* base = base_scores(outcome))
    facts.emplace_back("base before training", formatted("top-1 %.2f %%, loss %.4f", 100 * base->top1, base->loss));
  facts.emplace_back(
      "best",
      formatted("epoch %u of %u", outcome.best_epoch, outcome.epochs) +
          (run.plan.recipe.model_ema ? (outcome.best_is_ema ? ", the averaged weights" : ", the plain weights") : ""));
  facts.emplace_back("stopped", std::string(ending_name(outcome)));
  facts.emplace_back("time", time_text(outcome));
  return facts;
}

}  // namespace

std::string epoch_line(const EpochReport& report, uint32_t epochs) {
  std::string text = formatted("epoch %3u/%u", report.epoch, epochs);
  if (report.epoch == 0) text = "before training";
  if (report.epoch > 0) text += formatted("  train loss %.4f", report.train_loss);
  if (report.validation) text += formatted("  loss %.4f  top-1 %.4f", report.validation->loss, report.validation->top1);
  if (report.validation_ema)
    text += formatted("  averaged: loss %.4f  top-1 %.4f", report.validation_ema->loss, report.validation_ema->top1);
  text += report.is_best ? " *" : "  ";
  if (report.epoch > 0)
    text += formatted("  lr %.3g  %.0f %s  %.1f s", report.learning_rate, report.rate, rate_unit(report.on_features),
                      report.seconds);
  return text + "\n";
}

std::string progress_line(const TrainProgress& progress) {
  std::string text = progress.phase == "train" || progress.phase.empty() ? "" : progress.phase + "  ";
  text += formatted("epoch %u/%u  %llu/%llu  %.0f %s", progress.epoch, progress.epochs,
                    static_cast<unsigned long long>(progress.step), static_cast<unsigned long long>(progress.steps),
                    progress.rate, rate_unit(progress.on_features));
  if (progress.phase == "train") text += formatted("  loss %.4f", progress.loss);
  return text + formatted("  %.0f s left", progress.seconds_left);
}

std::string run_to_json(const FinishedRun& run) {
  const ClassificationScores& scores = run.calibration.after;
  OrderedJson json;
  json["epochs"] = run.outcome.epochs;
  json["best-epoch"] = run.outcome.best_epoch;
  const auto of_model = [&](auto value) { return run.outcome.model ? OrderedJson(value) : OrderedJson(); };
  json["top1"] = of_model(scores.top1);
  json["top5"] = of_model(scores.top5);
  json["macro-f1"] = of_model(scores.macro_f1);
  json["loss"] = of_model(scores.loss);
  json["ece"] = of_model(scores.ece);
  json["seconds"] = run.outcome.seconds;
  json["images-per-second"] = run.outcome.images_per_second;
  json["features-per-second"] = run.outcome.features_per_second;
  json["model-file"] = of_model(run.model_file);
  json["stopped"] = ending_name(run.outcome);
  json["skipped-images"] = run.outcome.skipped_images;
  return json_text(json) + "\n";
}

std::string run_to_text(const FinishedRun& run) {
  const ClassificationScores& scores = run.calibration.after;
  std::string text =
      formatted("\nbest: epoch %u  top-1 %.2f %%  top-5 %.2f %%  macro-f1 %.4f  loss %.4f  ece %.4f\n",
                run.outcome.best_epoch, 100 * scores.top1, 100 * scores.top5, scores.macro_f1, scores.loss, scores.ece);
  if (const ClassificationScores* base = base_scores(run.outcome))
    text += formatted("gain: %+.2f points of top-1 over the base's %.2f %%\n", 100 * (scores.top1 - base->top1),
                      100 * base->top1);
  if (!run.calibration.why.empty()) text += run.calibration.why + "\n";
  if (run.outcome.skipped_images > 0)
    text += std::to_string(run.outcome.skipped_images) + " pictures could not be decoded and were left out\n";
  return text + time_text(run.outcome) + "; wrote " + run.model_file + "\n";
}

std::string run_to_html(const FinishedRun& run) {
  Evaluation evaluation;
  evaluation.title = run.plan.card.architecture + " trained on " + std::to_string(run.plan.data.train->size()) +
                     " pictures of " + std::to_string(run.plan.card.num_classes) + " classes";
  evaluation.labels = run.plan.card.labels;
  evaluation.scores = run.calibration.before;
  evaluation.facts = run_facts(run);
  evaluation.charts = training_charts(run.outcome.history);
  if (run.judged) {
    evaluation.mistakes = worst_mistakes(*run.judged, *run.plan.data.validation, run.calibration.temperature);
    evaluation.calibrated = run.calibration.after;
    evaluation.calibration = run.calibration.why;
  }
  evaluation.descriptions = {{"Data", data_facts(run.plan, run.outcome)},
                             {"Recipe", recipe_facts(run.plan)},
                             {"Machine", machine_facts(run.plan.recipe)}};
  return evaluation_to_html(evaluation);
}

}  // namespace resnetft::tool
