// SPDX-License-Identifier: MIT
#include "train/recipe.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace resnetft {
namespace {

std::string value_of(const Recipe& recipe, const std::string& name) {
  for (const auto& [key, value] : recipe_to_options(recipe))
    if (key == name) return value;
  return "(none)";
}

Recipe with(const std::string& name, const std::string& value) {
  Recipe recipe;
  const Status status = set_recipe_option(recipe, name, value);
  EXPECT_TRUE(status.ok()) << to_string(status.error());
  return recipe;
}

// A value of the row that is not its default.
std::string another_value(const Option& option) {
  switch (option.type) {
    case OptionType::Boolean:
      return option.default_text == "true" ? "false" : "true";
    case OptionType::Enum:
      return std::string(option.values[option.values[0].name == option.default_text ? 1 : 0].name);
    case OptionType::String:
      return "96x64";
    case OptionType::Double:
      return option.maximum <= 1 ? "0.25" : "0.75";
    default:
      return option.default_text == "7" ? "8" : "7";
  }
}

TEST(Recipe, DefaultsOfTheStructAreThoseOfTheTable) {
  const Recipe recipe;
  for (const Option& option : recipe_options())
    EXPECT_EQ(value_of(recipe, std::string(option.name)), option.default_text) << option.name;
}

TEST(Recipe, EachOptionChangesItsOwnFieldAndNoOther) {
  for (const Option& option : recipe_options()) {
    const std::string name(option.name), text = another_value(option);
    const Recipe changed = with(name, text);
    for (const auto& [key, value] : recipe_to_options(changed)) {
      if (key == name)
        EXPECT_EQ(value, text) << key;
      else
        EXPECT_EQ(value, value_of(Recipe(), key)) << name << " changed " << key;
    }
  }
}

TEST(Recipe, OptionsThatWereWrittenAreReadBackUnchanged) {
  Recipe recipe;
  for (const Option& option : recipe_options())
    ASSERT_TRUE(set_recipe_option(recipe, option.name, another_value(option)).ok()) << option.name;
  recipe.lr = 0.1 + 0.2;  // a number with many digits
  Recipe read;
  for (const auto& [name, value] : recipe_to_options(recipe)) ASSERT_TRUE(set_recipe_option(read, name, value).ok());
  EXPECT_EQ(recipe_to_options(read), recipe_to_options(recipe));
  EXPECT_EQ(read.lr, recipe.lr);
}

TEST(Recipe, TorchvisionsNamesOfValuesAreAccepted) {
  EXPECT_EQ(with("opt", "sgd_nesterov").opt, Optimizer::SgdNesterov);
  EXPECT_EQ(with("lr-scheduler", "cosineannealinglr").lr_scheduler, LrScheduler::Cosine);
  EXPECT_EQ(with("lr-scheduler", "steplr").lr_scheduler, LrScheduler::Step);
  EXPECT_EQ(with("auto-augment", "ta_wide").augment.auto_augment, AutoAugment::TaWide);
}

TEST(Recipe, AnImpossibleValueIsNamedWithWhatIsPossible) {
  struct Case {
    const char *name, *value, *possible;
  };
  for (const Case& c : {Case{"opt", "lion", "sgd, sgd-nesterov, adam, adamw"}, Case{"epochs", "-1", "0 to"},
                        Case{"epochs", "1.5", "whole number"}, Case{"lr", "nan", "number"}, Case{"lr", "", "or auto"},
                        Case{"hflip", "2", "0 to 1"}, Case{"model-ema", "yes", "true, false"},
                        Case{"train-crop-size", "32x", "WIDTHxHEIGHT"}, Case{"train-crop-size", "0", "auto"}}) {
    Recipe recipe;
    const Status status = set_recipe_option(recipe, c.name, c.value);
    ASSERT_FALSE(status.ok()) << c.name << "=" << c.value;
    EXPECT_EQ(status.error().code, ErrorCode::InvalidArgument);
    EXPECT_NE(status.error().message.find(std::string("'") + c.name + "'"), std::string::npos);
    EXPECT_NE(status.error().hint.find(c.possible), std::string::npos) << status.error().hint;
    EXPECT_EQ(recipe_to_options(recipe), recipe_to_options(Recipe())) << "nothing changed";
  }
  Recipe recipe;
  EXPECT_NE(set_recipe_option(recipe, "learning", "1").error().message.find("'learning'"), std::string::npos);
}

TEST(Recipe, WorkersThreadsLimitsAndCheckpointsDoNotChangeTheResult) {
  std::vector<std::string> free;
  for (const Option& option : recipe_options())
    if (!changes_result(option.name)) free.emplace_back(option.name);
  EXPECT_EQ(free, (std::vector<std::string>{"max-time", "threads", "workers", "deterministic", "corrupt-budget",
                                            "checkpoint-interval", "checkpoint-hist"}));
}

DataFacts facts(size_t images, bool has_base = true, int side = 224) { return {images, 10, side, side, has_base}; }

TEST(Recipe, AutoChoosesWhatLearnsByThePicturesOfAClass) {
  struct Case {
    size_t images;
    Trainable trainable;
  };
  for (const Case& c : {Case{199, Trainable::Head}, Case{200, Trainable::Layer4}, Case{1999, Trainable::Layer4},
                        Case{2000, Trainable::All}}) {
    Recipe recipe;
    const std::vector<std::string> reasons = resolve_recipe(recipe, facts(c.images));
    EXPECT_EQ(recipe.trainable, c.trainable) << c.images;
    EXPECT_NE(reasons.at(0).find("pictures a class"), std::string::npos);
  }
  Recipe recipe;
  resolve_recipe(recipe, facts(10, false));
  EXPECT_EQ(recipe.trainable, Trainable::All);
}

TEST(Recipe, AutoRatesFollowTheEffectiveBatch) {
  Recipe head = with("trainable", "head");
  head.batch_size = 64;
  head.grad_accum_steps = 2;
  head.cache = CacheKind::None;
  resolve_recipe(head, facts(100));
  EXPECT_DOUBLE_EQ(head.lr, 0.05);
  Recipe all = with("trainable", "all");
  all.batch_size = 128;
  resolve_recipe(all, facts(100));
  EXPECT_DOUBLE_EQ(all.lr, 0.005);
  for (const char* opt : {"adam", "adamw"}) {
    Recipe adam = with("opt", opt);
    adam.trainable = Trainable::Head;
    resolve_recipe(adam, facts(100));
    EXPECT_DOUBLE_EQ(adam.lr, 1e-3);
    adam.lr = 0;
    adam.trainable = Trainable::All;
    resolve_recipe(adam, facts(100));
    EXPECT_DOUBLE_EQ(adam.lr, 1e-4);
  }
}

TEST(Recipe, AHeadOnCachedFeaturesTakesMoreEpochsAndItsRateFromThem) {
  DataFacts data = facts(100);
  data.head_features = 512;
  Recipe head = with("trainable", "head");
  resolve_recipe(head, data);
  EXPECT_EQ(head.epochs, 60u);
  EXPECT_TRUE(rate_follows_features(head));
  Recipe beyond = with("trainable", "head");
  beyond.cache_max_bytes = 100 * 512 * 4 - 1;
  resolve_recipe(beyond, data);
  EXPECT_EQ(beyond.epochs, 10u);
  Recipe all = with("trainable", "all");
  resolve_recipe(all, data);
  EXPECT_EQ(all.epochs, 10u);
  EXPECT_FALSE(rate_follows_features(all));
  Recipe first = with("head-epochs", "3");
  first.trainable = Trainable::All;
  resolve_recipe(first, data);
  EXPECT_TRUE(rate_follows_features(head_phase(first)));
  EXPECT_EQ(head_phase(first).epochs, 3u);
}

TEST(Recipe, NothingIsAutoOnceItIsResolvedAndValuesThatWereNamedStay) {
  Recipe recipe = with("lr", "0.5");
  resolve_recipe(recipe, facts(5000, true, 32));
  EXPECT_EQ(recipe.lr, 0.5);
  EXPECT_EQ(recipe.augment.crop, CropKind::PadAndCrop);
  EXPECT_EQ(recipe.train_crop_width, 32);
  EXPECT_GE(recipe.threads, 1u);
  EXPECT_GE(recipe.workers, 1u);
  const std::vector<std::string> may_stay = {"norm-weight-decay", "bias-weight-decay", "model-ema-decay"};
  for (const auto& [name, value] : recipe_to_options(recipe))
    EXPECT_TRUE(value != "auto" || std::ranges::find(may_stay, name) != may_stay.end()) << name;
  const std::vector<std::pair<std::string, std::string>> once = recipe_to_options(recipe);
  EXPECT_TRUE(resolve_recipe(recipe, facts(10)).empty());
  EXPECT_EQ(recipe_to_options(recipe), once);
}

TEST(Recipe, FeaturesAreCachedWhereAugmentationDoesNotForbidIt) {
  Recipe head = with("trainable", "head");
  resolve_recipe(head, facts(100));
  EXPECT_EQ(head.cache, CacheKind::Features);
  Recipe stage = with("trainable", "layer4");
  resolve_recipe(stage, facts(100));
  EXPECT_EQ(stage.cache, CacheKind::Uint8);
  Recipe plain = with("trainable", "layer4");
  plain.augment.flip = 0;
  ASSERT_TRUE(set_recipe_option(plain, "crop", "none").ok());
  resolve_recipe(plain, facts(100));
  EXPECT_EQ(plain.cache, CacheKind::Features);
}

}  // namespace
}  // namespace resnetft
