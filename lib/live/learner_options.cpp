// SPDX-License-Identifier: MIT
#include "live/learner_options.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "base/options.h"
#include "train/recipe_table.h"

namespace resnetft {
namespace {

// Typed reading of texts that their rows allow.
class Values {
 public:
  explicit Values(const OptionTexts& texts) : texts_(texts) {}

  std::string text(std::string_view name) const { return texts_(name); }
  bool flag(std::string_view name) const { return text(name) == "true"; }
  uint64_t number(std::string_view name) const { return std::strtoull(text(name).c_str(), nullptr, 10); }
  size_t count(std::string_view name) const { return static_cast<size_t>(number(name)); }
  double real(std::string_view name) const { return std::strtod(text(name).c_str(), nullptr); }
  // The numbers of an option table's enums are those of the library's; a test compares their names.
  template <class Enum>
  Enum choice(std::string_view name) const {
    return static_cast<Enum>(option_value(*find_option(finetune_options(), name), text(name)).value());
  }

 private:
  const OptionTexts& texts_;
};

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

Result<Recipe> recipe_of(const Values& values) {
  const double rate = values.real("learning-rate");
  const std::pair<std::string_view, std::string> options[] = {
      {"trainable", values.text("trainable")},
      {"opt", values.text("optimizer")},
      {"lr", rate == 0 ? "auto" : number_text(rate)},
      {"weight-decay", number_text(values.real("weight-decay"))},
      {"epochs", values.text("epochs")},
      {"batch-size", values.text("batch-size")},
      {"threads", values.text("training-threads")},
      {"seed", values.text("seed")},
  };
  Recipe recipe;
  for (const auto& [name, value] : options)
    if (const Status status = set_recipe_option(recipe, name, value); !status) return status.error();
  if (const Status status = set_augment(recipe, values.text("augment")); !status) return status.error();
  return recipe;
}

GateRule gate_rule(const Values& values) {
  return {.metric = values.choice<GateMetric>("gate-metric"),
          .min_delta = values.real("gate-min-delta"),
          .min_samples = values.count("gate-min-samples"),
          .min_per_class = values.count("gate-min-per-class"),
          .max_recall_drop = values.real("gate-max-recall-drop"),
          .significance = values.real("gate-significance")};
}

ReplayStoreSpec store_spec(const Values& values) {
  const uint64_t seed = values.number("seed");
  return {.location = values.text("replay-location"),
          .store_frames = values.flag("store-frames"),
          .reservoir = {.policy = values.choice<ReplayPolicy>("replay-policy"),
                        .capacity = values.count("replay-capacity"),
                        .max_bytes = values.number("replay-max-bytes"),
                        .seed = seed},
          .holdout = {.fraction = values.real("holdout-fraction"),
                      .block_ns = values.number("holdout-block"),
                      .gap_ns = values.number("holdout-gap"),
                      .seed = seed}};
}

Result<LearnerRules> rules_of(const Values& values) {
  Result<Recipe> recipe = recipe_of(values);
  if (!recipe) return recipe.error();
  return LearnerRules{.sample_policy = values.choice<SamplePolicy>("sample-policy"),
                      .allow_new_classes = values.flag("allow-new-classes"),
                      .train = values.choice<TrainWhen>("train"),
                      .min_samples = values.count("min-samples"),
                      .min_per_class = values.count("min-per-class"),
                      .min_new_samples = values.count("min-new-samples"),
                      .trainable = recipe->trainable,
                      .recipe = *recipe,
                      .gate = gate_rule(values),
                      .instant_head = values.choice<InstantHeadKind>("instant-head"),
                      .promotion = values.choice<Promotion>("promotion"),
                      .rollback_window_ns = values.number("rollback-window"),
                      .rollback_drop = values.real("rollback-drop"),
                      .duty_cycle = values.real("duty-cycle")};
}

}  // namespace

Result<LearnerRules> learner_rules_of(const OptionTexts& texts) { return rules_of(Values(texts)); }

Result<LearnerSpec> learner_spec_of(const OptionTexts& texts) {
  const Values values(texts);
  Result<LearnerRules> rules = rules_of(values);
  if (!rules) return rules.error();
  const std::string device = values.text("training-device");
  return LearnerSpec{.hub = nullptr,
                     .base_model_file = values.text("base-model-file"),
                     .load = {},
                     .checkpoint_dir = values.text("checkpoint-dir"),
                     .store = store_spec(values),
                     .ring_bytes = values.number("candidate-ring-bytes"),
                     .ring_time_ns = values.number("candidate-ring-time"),
                     .classes = values.choice<ClassSet>("classes"),
                     .seed_dataset = values.text("seed-dataset"),
                     .device = device.empty() ? "auto" : device,
                     .threads = static_cast<unsigned>(values.number("training-threads")),
                     .seed = values.number("seed"),
                     .in_caller = false,
                     .rules = std::move(*rules)};
}

}  // namespace resnetft
