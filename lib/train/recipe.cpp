// SPDX-License-Identifier: MIT
#include "train/recipe.h"

#include <algorithm>
#include <cstdio>

#include "device/thread_budget.h"
#include "train/recipe_table.h"

namespace resnetft {
namespace {

std::string number_or_range(const Option& option) {
  std::string text = option.type == OptionType::Double ? "a number from " : "a whole number from ";
  return text.append(number_text(option.minimum)).append(" to ").append(number_text(option.maximum));
}

std::string possible_values(const RecipeRow& row) {
  std::string text;
  switch (row.option.type) {
    case OptionType::Boolean:
      return "possible are: true, false";
    case OptionType::Enum:
    case OptionType::Flags:
      return "possible are: " + option_values_text(row.option);
    case OptionType::String:
      return "possible are: auto, a side of 1 to 32768, or WIDTHxHEIGHT";
    default:
      text = "possible is " + number_or_range(row.option);
      return row.auto_number ? text + ", or auto" : text;
  }
}

const RecipeRow* find_row(std::string_view name) {
  for (const RecipeRow& row : recipe_rows())
    if (row.option.name == name) return &row;
  return nullptr;
}

// Where so few pictures teach more than a head, the rest forgets; where there are many, nothing needs to be frozen.
constexpr size_t kHeadBelow = 20;
constexpr size_t kLastStageBelow = 200;

std::string resolve_trainable(Recipe& recipe, const DataFacts& facts) {
  if (!facts.has_base) {
    recipe.trainable = Trainable::All;
    return "trainable=all: a new net has nothing to keep";
  }
  const size_t each = facts.images / std::max<size_t>(1, facts.classes);
  recipe.trainable = each < kHeadBelow ? Trainable::Head : each < kLastStageBelow ? Trainable::Layer4 : Trainable::All;
  const char* name = each < kHeadBelow ? "head" : each < kLastStageBelow ? "layer4" : "all";
  char text[160];
  std::snprintf(text, sizeof text, "trainable=%s: %zu pictures a class (head below %zu, layer4 below %zu)", name, each,
                kHeadBelow, kLastStageBelow);
  return text;
}

bool is_sgd(Optimizer optimizer) { return optimizer == Optimizer::Sgd || optimizer == Optimizer::SgdNesterov; }

double automatic_rate(const Recipe& recipe, bool fast) {
  if (!is_sgd(recipe.opt)) return fast ? 1e-3 : 1e-4;
  const double effective_batch = static_cast<double>(recipe.batch_size) * recipe.grad_accum_steps;
  return (fast ? 0.1 : 0.01) * effective_batch / 256;
}

constexpr uint32_t kEpochs = 10, kCachedHeadEpochs = 60;

bool caches_head_features(const Recipe& recipe) {
  return recipe.trainable == Trainable::Head && recipe.cache == CacheKind::Features;
}

std::string resolve_epochs(Recipe& recipe, const DataFacts& facts) {
  const uint64_t bytes = uint64_t{sizeof(float)} * facts.head_features * (facts.images + facts.validation_images);
  const bool is_cheap = caches_head_features(recipe) && bytes <= recipe.cache_max_bytes;
  recipe.epochs = is_cheap ? kCachedHeadEpochs : kEpochs;
  return "epochs=" + std::to_string(recipe.epochs) +
         (is_cheap ? ": a head on cached features, where an epoch takes moments" : ": each looks at all pixels");
}

// A new net learns at a head's rate: a ResNet-20 on 2,000 pictures of CIFAR-10, five epochs with batches of 32, names
// 0.38 rightly by SGD and 0.42 by Adam, and at a tenth of these rates 0.25 and 0.27.
std::string resolve_rate(Recipe& recipe, const DataFacts& facts) {
  const bool head = recipe.trainable == Trainable::Head;
  recipe.lr = automatic_rate(recipe, head || !facts.has_base);
  std::string text = "lr=" + number_text(recipe.lr);
  text += is_sgd(recipe.opt) ? ": SGD with batches of " + std::to_string(recipe.batch_size * recipe.grad_accum_steps)
                             : std::string(": Adam");
  return text + (head ? ", a head" : facts.has_base ? ", trained layers" : ", a new net");
}

std::string resolve_crop(Recipe& recipe) {
  const bool small = std::max(recipe.train_crop_width, recipe.train_crop_height) <= 64;
  recipe.crop_is_auto = false;
  recipe.augment.crop = small ? CropKind::PadAndCrop : CropKind::RandomResizedCrop;
  return small ? "crop=pad: pictures of up to 64 pixels" : "crop=random-resized: pictures of more than 64 pixels";
}

bool augments(const Recipe& recipe) {
  AugmentSpec none;
  none.crop = CropKind::None;
  none.flip = 0;
  none.scale_min = recipe.augment.scale_min;
  return !(recipe.augment == none) || recipe.mixup_alpha > 0 || recipe.cutmix_alpha > 0;
}

std::string resolve_cache(Recipe& recipe) {
  const bool head = recipe.trainable == Trainable::Head;
  const bool stage = recipe.trainable == Trainable::Layer4 && !augments(recipe);
  recipe.cache = head || stage ? CacheKind::Features : CacheKind::Uint8;
  if (recipe.cache == CacheKind::Uint8)
    return recipe.fast_decode && recipe.augment.crop == CropKind::RandomResizedCrop
               ? "cache=uint8: validation pictures are kept; --fast-decode decodes each training crop anew"
               : "cache=uint8: decoded pictures are kept, as far as cache-max-bytes goes";
  return head && augments(recipe)
             ? "cache=features: only the head learns; training sees each picture without augmentation"
             : "cache=features: what the frozen layers make of each picture is kept";
}

// What a cache of features that somebody asked for cannot do; empty: nothing.
std::string features_warning(const Recipe& recipe) {
  if (recipe.cache != CacheKind::Features) return "";
  if (recipe.trainable == Trainable::All) return "cache=features: all layers learn, so nothing can be kept";
  if (recipe.trainable == Trainable::Layer4 && augments(recipe))
    return "cache=features: training sees each picture without augmentation";
  return "";
}

}  // namespace

std::span<const Option> recipe_options() {
  static const std::vector<Option> options = [] {
    std::vector<Option> all;
    for (const RecipeRow& row : recipe_rows()) all.push_back(row.option);
    return all;
  }();
  return options;
}

Status set_recipe_option(Recipe& recipe, std::string_view name, std::string_view value) {
  const RecipeRow* row = find_row(name);
  if (!row)
    return Error{ErrorCode::InvalidArgument, "unknown option '" + std::string(name) + "' in a recipe",
                 "see the options of ft-tool train --help"};
  if (row->set(recipe, *row, value)) return Status::success();
  return Error{ErrorCode::InvalidArgument, "option '" + std::string(name) + "' cannot be '" + std::string(value) + "'",
               possible_values(*row)};
}

std::vector<std::pair<std::string, std::string>> recipe_to_options(const Recipe& recipe) {
  std::vector<std::pair<std::string, std::string>> options;
  for (const RecipeRow& row : recipe_rows()) options.emplace_back(row.option.name, row.get(recipe, row));
  return options;
}

bool changes_result(std::string_view option_name) {
  const RecipeRow* row = find_row(option_name);
  return !row || row->changes_result;
}

std::vector<std::string> resolve_recipe(Recipe& recipe, const DataFacts& facts) {
  std::vector<std::string> reasons;
  if (recipe.trainable == Trainable::Auto) reasons.push_back(resolve_trainable(recipe, facts));
  if (recipe.lr_step_size == 0) recipe.lr_step_size = recipe.lr_scheduler == LrScheduler::Plateau ? 5 : 30;
  if (recipe.train_crop_width == 0) {
    recipe.train_crop_width = facts.input_width;
    recipe.train_crop_height = facts.input_height;
  }
  if (recipe.crop_is_auto) reasons.push_back(resolve_crop(recipe));
  if (recipe.cache == CacheKind::Auto)
    reasons.push_back(resolve_cache(recipe));
  else if (std::string warning = features_warning(recipe); !warning.empty())
    reasons.push_back(std::move(warning));
  if (recipe.epochs == kAutoEpochs) reasons.push_back(resolve_epochs(recipe, facts));
  if (recipe.lr == 0 && !rate_follows_features(recipe)) reasons.push_back(resolve_rate(recipe, facts));
  if (recipe.threads == 0) recipe.threads = static_cast<uint32_t>(processors_of_process());
  if (recipe.workers == 0) recipe.workers = static_cast<uint32_t>(processors_of_process());
  return reasons;
}

PreprocessSpec training_output(const Recipe& recipe, const PreprocessSpec& card) {
  PreprocessSpec output = card;
  if (recipe.train_crop_width <= 0 ||
      (recipe.train_crop_width == output.crop_width && recipe.train_crop_height == output.crop_height))
    return output;
  // The resize keeps its ratio to the crop.
  if (output.resize > 0)
    output.resize = std::max(1, output.resize * std::min(recipe.train_crop_width, recipe.train_crop_height) /
                                    std::min(output.crop_width, output.crop_height));
  output.crop_width = recipe.train_crop_width;
  output.crop_height = recipe.train_crop_height;
  return output;
}

bool rate_follows_features(const Recipe& recipe) {
  return recipe.lr == 0 && is_sgd(recipe.opt) && caches_head_features(recipe);
}

double automatic_head_rate(const Recipe& recipe) { return automatic_rate(recipe, true); }

Recipe head_phase(const Recipe& recipe) {
  Recipe head = recipe;
  head.trainable = Trainable::Head;
  head.epochs = recipe.head_epochs;
  head.head_epochs = 0;
  if (recipe.cache != CacheKind::None) head.cache = CacheKind::Features;
  head.lr = 0;
  if (!rate_follows_features(head)) head.lr = automatic_head_rate(head);
  return head;
}

}  // namespace resnetft
