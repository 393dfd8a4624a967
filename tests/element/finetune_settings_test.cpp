// SPDX-License-Identifier: MIT
// What the properties of resnetfinetune become.
#include "finetune_settings.h"

#include <gtest/gtest.h>

#include "finetune_harness.h"
#include "train/recipe_table.h"

namespace resnetft::testing {
namespace {

const Option& option(const char* name) { return *find_option(finetune_options(), name); }

const Option& recipe_option(const char* name) { return *find_option(recipe_options(), name); }

// Settings after `text`, as gst-launch reads it, was given to each property.
class SettingsOf {
 public:
  explicit SettingsOf(const Properties& properties) : element_(make_learner(properties)) {
    guint id = 0;
    for (const Option& row : finetune_options()) {
      const std::string name(row.name);
      GValue value = G_VALUE_INIT;
      g_object_get_property(G_OBJECT(element_), name.c_str(), &value);
      settings_.set(++id, &value);
      g_value_unset(&value);
    }
  }
  ~SettingsOf() { gst_object_unref(element_); }
  const Settings& get() const { return settings_; }

 private:
  GstElement* element_;
  Settings settings_{finetune_options()};
};

std::string recipe_value(const Properties& properties, const std::string& name) {
  const SettingsOf settings(properties);
  const Result<LearnerRules> rules = learner_rules(settings.get());
  if (!rules) return to_string(rules.error());
  for (const auto& [key, value] : recipe_to_options(rules->recipe))
    if (key == name) return value;
  return "<none>";
}

}  // namespace

TEST(FinetuneSettings, EnumsHaveTheNumbersOfTheLibrary) {
  const auto number = [](const char* property, const char* word) { return option_value(option(property), word); };
  for (const GateMetric metric : {GateMetric::MacroF1, GateMetric::Top1, GateMetric::Loss})
    EXPECT_EQ(number("gate-metric", gate_metric_name(metric)), static_cast<int>(metric));
  EXPECT_EQ(number("sample-policy", "changed"), static_cast<int>(SamplePolicy::Changed));
  EXPECT_EQ(number("sample-policy", "uncertain"), static_cast<int>(SamplePolicy::Uncertain));
  EXPECT_EQ(number("classes", "extend"), static_cast<int>(ClassSet::Extend));
  EXPECT_EQ(number("replay-policy", "fifo"), static_cast<int>(ReplayPolicy::Fifo));
  EXPECT_EQ(number("train", "manual"), static_cast<int>(TrainWhen::Manual));
  EXPECT_EQ(number("train", "auto"), static_cast<int>(TrainWhen::Auto));
  EXPECT_EQ(number("instant-head", "means"), static_cast<int>(InstantHeadKind::Means));
  EXPECT_EQ(number("instant-head", "off"), static_cast<int>(InstantHeadKind::Off));
  EXPECT_EQ(number("promotion", "ask"), static_cast<int>(Promotion::Ask));
  EXPECT_EQ(number("promotion", "never"), static_cast<int>(Promotion::Never));
}

TEST(FinetuneSettings, TheWordsOfAnOptimiserAreThoseOfFtTool) {
  const Option &ours = option("optimizer"), &theirs = recipe_option("opt");
  ASSERT_EQ(ours.values.size(), theirs.values.size());
  for (size_t i = 0; i < ours.values.size(); ++i) {
    EXPECT_EQ(ours.values[i].name, theirs.values[i].name);
    EXPECT_EQ(ours.values[i].help, theirs.values[i].help);
  }
  for (const OptionValue& value : option("trainable").values)
    EXPECT_EQ(option_value(recipe_option("trainable"), value.name), value.value);
}

TEST(FinetuneSettings, TheDefaultsAreThoseOfTheLibraryAndOfFtTool) {
  const SettingsOf settings({});
  const LearnerSpec spec = learner_spec(settings.get()).value(), library;
  EXPECT_EQ(recipe_value({}, "opt"), recipe_option("opt").default_text);
  EXPECT_EQ(recipe_value({}, "lr"), recipe_option("lr").default_text);
  EXPECT_EQ(recipe_value({}, "weight-decay"), recipe_option("weight-decay").default_text);
  EXPECT_EQ(recipe_value({}, "epochs"), recipe_option("epochs").default_text);
  EXPECT_EQ(recipe_value({}, "batch-size"), recipe_option("batch-size").default_text);
  EXPECT_EQ(spec.rules.min_samples, library.rules.min_samples);
  EXPECT_EQ(spec.rules.min_per_class, library.rules.min_per_class);
  EXPECT_EQ(spec.rules.min_new_samples, library.rules.min_new_samples);
  EXPECT_EQ(spec.rules.gate.min_samples, library.rules.gate.min_samples);
  EXPECT_EQ(spec.rules.gate.min_per_class, library.rules.gate.min_per_class);
  EXPECT_EQ(spec.rules.gate.max_recall_drop, library.rules.gate.max_recall_drop);
  EXPECT_EQ(spec.rules.gate.significance, library.rules.gate.significance);
  EXPECT_EQ(spec.rules.duty_cycle, library.rules.duty_cycle);
  EXPECT_EQ(spec.rules.rollback_drop, library.rules.rollback_drop);
  EXPECT_EQ(spec.store.reservoir.capacity, library.store.reservoir.capacity);
  EXPECT_EQ(spec.store.reservoir.max_bytes, library.store.reservoir.max_bytes);
  EXPECT_EQ(spec.store.holdout.fraction, library.store.holdout.fraction);
  EXPECT_EQ(spec.store.holdout.block_ns, library.store.holdout.block_ns);
  EXPECT_EQ(spec.store.holdout.gap_ns, library.store.holdout.gap_ns);
  EXPECT_EQ(spec.ring_bytes, library.ring_bytes);
  EXPECT_EQ(spec.ring_time_ns, library.ring_time_ns);
}

TEST(FinetuneSettings, EveryRunsPropertyReachesTheRecipe) {
  EXPECT_EQ(recipe_value({{"optimizer", "adamw"}}, "opt"), "adamw");
  EXPECT_EQ(recipe_value({{"learning-rate", "0.25"}}, "lr"), "0.25");
  EXPECT_EQ(recipe_value({{"weight-decay", "0.001"}}, "weight-decay"), "0.001");
  EXPECT_EQ(recipe_value({{"epochs", "7"}}, "epochs"), "7");
  EXPECT_EQ(recipe_value({{"batch-size", "9"}}, "batch-size"), "9");
  EXPECT_EQ(recipe_value({{"trainable", "layer4"}}, "trainable"), "layer4");
  EXPECT_EQ(recipe_value({{"seed", "11"}}, "seed"), "11");
  const Properties augment = {{"augment", "crop=pad,hflip=0.25,auto-augment=ta_wide"}};
  EXPECT_EQ(recipe_value(augment, "crop"), "pad");
  EXPECT_EQ(recipe_value(augment, "hflip"), "0.25");
  EXPECT_EQ(recipe_value(augment, "auto-augment"), "ta-wide");
}

TEST(FinetuneSettings, AnAugmentationThatFtToolLacksIsRefusedWithTheList) {
  EXPECT_NE(recipe_value({{"augment", "spin=1"}}, "crop").find("color-jitter"), std::string::npos);
  EXPECT_NE(recipe_value({{"augment", "opt=adam"}}, "crop").find("augment"), std::string::npos);
  EXPECT_NE(recipe_value({{"augment", "hflip=7"}}, "crop").find("hflip"), std::string::npos);
}

TEST(FinetuneSettings, WhatAStoreAndALearnerAreMadeWithIsSet) {
  const SettingsOf settings({{"replay-location", "/r"},
                             {"store-frames", "true"},
                             {"replay-policy", "fifo"},
                             {"replay-capacity", "5"},
                             {"replay-max-bytes", "6"},
                             {"holdout-fraction", "0.5"},
                             {"holdout-block", "7"},
                             {"holdout-gap", "8"},
                             {"seed", "9"},
                             {"checkpoint-dir", "/c"},
                             {"seed-dataset", "/s"},
                             {"classes", "extend"},
                             {"candidate-ring-bytes", "3"},
                             {"candidate-ring-time", "4"},
                             {"training-threads", "2"},
                             {"training-device", "cpu"},
                             {"base-model-file", "/b"}});
  const LearnerSpec spec = learner_spec(settings.get()).value();
  EXPECT_EQ(spec.store.location, "/r");
  EXPECT_TRUE(spec.store.store_frames);
  EXPECT_EQ(spec.store.reservoir.policy, ReplayPolicy::Fifo);
  EXPECT_EQ(spec.store.reservoir.capacity, 5U);
  EXPECT_EQ(spec.store.reservoir.max_bytes, 6U);
  EXPECT_EQ(spec.store.reservoir.seed, 9U);
  EXPECT_EQ(spec.store.holdout.fraction, 0.5);
  EXPECT_EQ(spec.store.holdout.block_ns, 7U);
  EXPECT_EQ(spec.store.holdout.gap_ns, 8U);
  EXPECT_EQ(spec.store.holdout.seed, 9U);
  EXPECT_EQ(spec.seed, 9U);
  EXPECT_EQ(spec.checkpoint_dir, "/c");
  EXPECT_EQ(spec.seed_dataset, "/s");
  EXPECT_EQ(spec.classes, ClassSet::Extend);
  EXPECT_EQ(spec.ring_bytes, 3U);
  EXPECT_EQ(spec.ring_time_ns, 4U);
  EXPECT_EQ(spec.threads, 2U);
  EXPECT_EQ(spec.device, "cpu");
  EXPECT_EQ(spec.base_model_file, "/b");
}

TEST(FinetuneSettings, WhatMayChangeIsSetInTheRules) {
  const SettingsOf settings({{"train", "manual"},
                             {"allow-new-classes", "false"},
                             {"sample-policy", "changed"},
                             {"instant-head", "means"},
                             {"promotion", "ask"},
                             {"rollback-window", "5"},
                             {"rollback-drop", "0.25"},
                             {"duty-cycle", "0.75"},
                             {"gate-metric", "loss"},
                             {"gate-min-delta", "0.5"},
                             {"gate-significance", "0.05"}});
  const LearnerRules rules = learner_rules(settings.get()).value();
  EXPECT_EQ(rules.train, TrainWhen::Manual);
  EXPECT_FALSE(rules.allow_new_classes);
  EXPECT_EQ(rules.sample_policy, SamplePolicy::Changed);
  EXPECT_EQ(rules.instant_head, InstantHeadKind::Means);
  EXPECT_EQ(rules.promotion, Promotion::Ask);
  EXPECT_EQ(rules.rollback_window_ns, 5U);
  EXPECT_EQ(rules.rollback_drop, 0.25);
  EXPECT_EQ(rules.duty_cycle, 0.75);
  EXPECT_EQ(rules.gate.metric, GateMetric::Loss);
  EXPECT_EQ(rules.gate.min_delta, 0.5);
  EXPECT_EQ(rules.gate.significance, 0.05);
}

TEST(FinetuneSettings, NoRingMeansThatUnlabelledFramesAreNotKept) {
  const auto keeps = [](const Properties& properties) {
    const SettingsOf settings(properties);
    return collect_rules(settings.get()).keeps_unlabelled;
  };
  EXPECT_TRUE(keeps({}));
  EXPECT_FALSE(keeps({{"candidate-ring-bytes", "0"}}));
  EXPECT_FALSE(keeps({{"candidate-ring-time", "0"}}));
}

TEST(FinetuneSettings, LabelSourcesAreTheFlags) {
  const SettingsOf settings({{"label-source", "event+roi"}, {"label", "x"}, {"sample-interval", "3"}});
  const CollectRules rules = collect_rules(settings.get());
  EXPECT_FALSE(rules.sources.property);
  EXPECT_TRUE(rules.sources.event);
  EXPECT_TRUE(rules.sources.roi);
  EXPECT_EQ(rules.label, "x");
  EXPECT_EQ(rules.sample_interval, 3U);
}

}  // namespace resnetft::testing
