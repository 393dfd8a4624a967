// SPDX-License-Identifier: MIT
#include "finetune_settings.h"

#include <algorithm>
#include <array>
#include <utility>

#include "train/recipe_table.h"

namespace resnetft {
namespace {

// The numbers of an option table's enums are those of the library's; a test compares their names.
template <class Enum>
Enum chosen(const Settings& settings, std::string_view property) {
  return static_cast<Enum>(settings.number(property));
}

size_t count(const Settings& settings, std::string_view property) {
  return static_cast<size_t>(settings.number(property));
}

enum LabelSourceFlag : uint64_t { kPropertyLabels = 1, kEventLabels = 2, kRoiLabels = 4 };

LabelSources label_sources(const Settings& settings) {
  const uint64_t flags = settings.number("label-source");
  return {.property = (flags & kPropertyLabels) != 0,
          .event = (flags & kEventLabels) != 0,
          .roi = (flags & kRoiLabels) != 0};
}

// ---- The recipe, in ft-tool's words ----

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

Result<Recipe> recipe_of(const Settings& settings) {
  const double rate = settings.real("learning-rate");
  const std::pair<std::string_view, std::string> options[] = {
      {"trainable", settings.word("trainable")},
      {"opt", settings.word("optimizer")},
      {"lr", rate == 0 ? "auto" : number_text(rate)},
      {"weight-decay", number_text(settings.real("weight-decay"))},
      {"epochs", std::to_string(settings.number("epochs"))},
      {"batch-size", std::to_string(settings.number("batch-size"))},
      {"threads", std::to_string(settings.number("training-threads"))},
      {"seed", std::to_string(settings.number("seed"))},
  };
  Recipe recipe;
  for (const auto& [name, value] : options)
    if (const Status status = set_recipe_option(recipe, name, value); !status) return status.error();
  if (const Status status = set_augment(recipe, settings.text("augment")); !status) return status.error();
  return recipe;
}

GateRule gate_rule(const Settings& settings) {
  return {.metric = chosen<GateMetric>(settings, "gate-metric"),
          .min_delta = settings.real("gate-min-delta"),
          .min_samples = count(settings, "gate-min-samples"),
          .min_per_class = count(settings, "gate-min-per-class"),
          .max_recall_drop = settings.real("gate-max-recall-drop"),
          .significance = settings.real("gate-significance")};
}

ReplayStoreSpec store_spec(const Settings& settings) {
  const uint64_t seed = settings.number("seed");
  return {.location = settings.text("replay-location"),
          .store_frames = settings.boolean("store-frames"),
          .reservoir = {.policy = chosen<ReplayPolicy>(settings, "replay-policy"),
                        .capacity = count(settings, "replay-capacity"),
                        .max_bytes = settings.number("replay-max-bytes"),
                        .seed = seed},
          .holdout = {.fraction = settings.real("holdout-fraction"),
                      .block_ns = settings.number("holdout-block"),
                      .gap_ns = settings.number("holdout-gap"),
                      .seed = seed}};
}

}  // namespace

CollectRules collect_rules(const Settings& settings) {
  const bool has_ring = settings.number("candidate-ring-bytes") > 0 && settings.number("candidate-ring-time") > 0;
  return {.label = settings.text("label"),
          .sources = label_sources(settings),
          .sample_interval = static_cast<unsigned>(settings.number("sample-interval")),
          .keeps_unlabelled = has_ring};
}

Result<LearnerRules> learner_rules(const Settings& settings) {
  Result<Recipe> recipe = recipe_of(settings);
  if (!recipe) return recipe.error();
  return LearnerRules{.sample_policy = chosen<SamplePolicy>(settings, "sample-policy"),
                      .allow_new_classes = settings.boolean("allow-new-classes"),
                      .train = chosen<TrainWhen>(settings, "train"),
                      .min_samples = count(settings, "min-samples"),
                      .min_per_class = count(settings, "min-per-class"),
                      .min_new_samples = count(settings, "min-new-samples"),
                      .trainable = recipe->trainable,
                      .recipe = *recipe,
                      .gate = gate_rule(settings),
                      .instant_head = chosen<InstantHeadKind>(settings, "instant-head"),
                      .promotion = chosen<Promotion>(settings, "promotion"),
                      .rollback_window_ns = settings.number("rollback-window"),
                      .rollback_drop = settings.real("rollback-drop"),
                      .duty_cycle = settings.real("duty-cycle")};
}

Result<LearnerSpec> learner_spec(const Settings& settings) {
  Result<LearnerRules> rules = learner_rules(settings);
  if (!rules) return rules.error();
  const std::string device = settings.text("training-device");
  LearnerSpec spec;
  spec.base_model_file = settings.text("base-model-file");
  spec.checkpoint_dir = settings.text("checkpoint-dir");
  spec.store = store_spec(settings);
  spec.ring_bytes = settings.number("candidate-ring-bytes");
  spec.ring_time_ns = settings.number("candidate-ring-time");
  spec.classes = chosen<ClassSet>(settings, "classes");
  spec.seed_dataset = settings.text("seed-dataset");
  spec.device = device.empty() ? "auto" : device;
  spec.threads = static_cast<unsigned>(settings.number("training-threads"));
  spec.seed = settings.number("seed");
  spec.rules = std::move(*rules);
  return spec;
}

}  // namespace resnetft
