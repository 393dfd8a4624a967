// SPDX-License-Identifier: MIT
#include "live/learner_options.h"

#include <algorithm>
#include <array>
#include <utility>

#include "train/recipe_table.h"

namespace resnetft {
namespace {

// The numbers of an option table's enums are those of the library's; a test compares their names.
template <class Enum>
Enum chosen(const OptionReader& options, std::string_view name) {
  return static_cast<Enum>(options.number(name));
}

size_t count(const OptionReader& options, std::string_view name) { return static_cast<size_t>(options.number(name)); }

// ---- The recipe, in ft-tool train's words ----

constexpr std::array<std::string_view, 8> kAugmentOptions = {
    "crop", "scale-min", "hflip", "color-jitter", "auto-augment", "random-erase", "mixup-alpha", "cutmix-alpha"};

std::string augment_options_text() {
  std::string text;
  for (const std::string_view name : kAugmentOptions) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

Status set_augment_option(Recipe& recipe, std::string_view text) {
  const size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  if (equals == std::string_view::npos || std::ranges::find(kAugmentOptions, name) == kAugmentOptions.end())
    return Error{ErrorCode::InvalidArgument, "augment: '" + std::string(text) + "' is none of its options",
                 "write NAME=VALUE, separated by commas; the names are: " + augment_options_text()};
  return set_recipe_option(recipe, name, text.substr(equals + 1));
}

// "crop=pad,hflip=0.5"
Status set_augment(Recipe& recipe, std::string_view text) {
  while (!text.empty()) {
    const size_t comma = text.find(',');
    if (Status status = set_augment_option(recipe, text.substr(0, comma)); !status) return status;
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return Status::success();
}

Result<Recipe> recipe_of(const OptionReader& options) {
  const double rate = options.real("learning-rate");
  const uint64_t epochs = options.number("epochs");
  const std::pair<std::string_view, std::string> words[] = {
      {"trainable", options.text("trainable")},
      {"opt", options.text("optimizer")},
      {"lr", rate == 0 ? "auto" : number_text(rate)},
      {"weight-decay", number_text(options.real("weight-decay"))},
      {"epochs", epochs == 0 ? "auto" : std::to_string(epochs)},
      {"batch-size", std::to_string(options.number("batch-size"))},
      {"threads", std::to_string(options.number("training-threads"))},
      {"seed", std::to_string(options.number("seed"))},
  };
  Recipe recipe;
  for (const auto& [name, value] : words)
    if (const Status status = set_recipe_option(recipe, name, value); !status) return status.error();
  if (const Status status = set_augment(recipe, options.text("augment")); !status) return status.error();
  return recipe;
}

GateRule gate_rule(const OptionReader& options) {
  return {.metric = chosen<GateMetric>(options, "gate-metric"),
          .min_delta = options.real("gate-min-delta"),
          .min_samples = count(options, "gate-min-samples"),
          .min_per_class = count(options, "gate-min-per-class"),
          .max_recall_drop = options.real("gate-max-recall-drop"),
          .significance = options.real("gate-significance")};
}

ReplayStoreSpec store_spec(const OptionReader& options) {
  const uint64_t seed = options.number("seed");
  return {.location = options.text("replay-location"),
          .store_frames = options.flag("store-frames"),
          .reservoir = {.policy = chosen<ReplayPolicy>(options, "replay-policy"),
                        .capacity = count(options, "replay-capacity"),
                        .max_bytes = options.number("replay-max-bytes"),
                        .seed = seed},
          .holdout = {.fraction = options.real("holdout-fraction"),
                      .block_ns = options.number("holdout-block"),
                      .gap_ns = options.number("holdout-gap"),
                      .seed = seed}};
}

}  // namespace

Result<LearnerRules> learner_rules_of(const OptionReader& options) {
  Result<Recipe> recipe = recipe_of(options);
  if (!recipe) return recipe.error();
  return LearnerRules{.sample_policy = chosen<SamplePolicy>(options, "sample-policy"),
                      .allow_new_classes = options.flag("allow-new-classes"),
                      .train = chosen<TrainWhen>(options, "train"),
                      .min_samples = count(options, "min-samples"),
                      .min_per_class = count(options, "min-per-class"),
                      .min_new_samples = count(options, "min-new-samples"),
                      .trainable = recipe->trainable,
                      .recipe = *recipe,
                      .gate = gate_rule(options),
                      .instant_head = chosen<InstantHeadKind>(options, "instant-head"),
                      .promotion = chosen<Promotion>(options, "promotion"),
                      .rollback_window_ns = options.number("rollback-window"),
                      .rollback_drop = options.real("rollback-drop"),
                      .duty_cycle = options.real("duty-cycle")};
}

Result<LearnerSpec> learner_spec_of(const OptionReader& options) {
  Result<LearnerRules> rules = learner_rules_of(options);
  if (!rules) return rules.error();
  const std::string device = options.text("training-device");
  LearnerSpec spec;
  spec.base_model_file = options.text("base-model-file");
  spec.checkpoint_dir = options.text("checkpoint-dir");
  spec.store = store_spec(options);
  spec.ring_bytes = options.number("candidate-ring-bytes");
  spec.ring_time_ns = options.number("candidate-ring-time");
  spec.classes = chosen<ClassSet>(options, "classes");
  spec.seed_dataset = options.text("seed-dataset");
  if (!device.empty()) spec.device = device;
  spec.threads = static_cast<unsigned>(options.number("training-threads"));
  spec.seed = options.number("seed");
  spec.rules = std::move(*rules);
  return spec;
}

}  // namespace resnetft
