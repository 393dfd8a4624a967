// SPDX-License-Identifier: MIT
#include "train/recipe_table.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <type_traits>

namespace resnetft {
namespace {

constexpr double kMaxUint = std::numeric_limits<uint32_t>::max();
constexpr double kMaxUint64 = 9007199254740992.0;  // 2^53: what JSON and a double hold exactly
constexpr int kMaxSide = 32768;

constexpr std::array kTrainable = {
    OptionValue{"auto", 0, "by the number of pictures of a class"},
    OptionValue{"head", 1, "the last layer"},
    OptionValue{"layer4", 2, "the last stage and the head"},
    OptionValue{"all", 3, "every layer"},
};
constexpr std::array kNorm = {
    OptionValue{"keep", 0, "as the model has it"},
    OptionValue{"batch", 1, "batch statistics, which learn"},
    OptionValue{"frozen", 2, "batch statistics, which stay as they are"},
    OptionValue{"layer", 3, "layer normalisation, converted from the batch statistics"},
    OptionValue{"group", 4, "group normalisation, converted from the batch statistics"},
};
constexpr std::array kOpt = {
    OptionValue{"sgd", 0, "with momentum"},
    OptionValue{"sgd-nesterov", 1, "with Nesterov's momentum"},
    OptionValue{"adam", 2, "Kingma and Ba 2015"},
    OptionValue{"adamw", 3, "Loshchilov and Hutter 2019"},
};
constexpr std::array kLrScheduler = {
    OptionValue{"cosine", 0, "half a cosine down to --lr-min (Loshchilov and Hutter 2017)"},
    OptionValue{"step", 1, "times --lr-gamma every --lr-step-size epochs"},
    OptionValue{"onecycle", 2, "up for three tenths, then down (Smith and Topin 2018)"},
    OptionValue{"plateau", 3, "times --lr-gamma after --lr-step-size epochs without gain"},
    OptionValue{"constant", 4, "stays"},
};
constexpr std::array kClassWeights = {
    OptionValue{"none", 0, "each picture counts the same"},
    OptionValue{"inverse", 1, "each class counts the same"},
    OptionValue{"effective", 2, "by the effective number of pictures (Cui et al. 2019)"},
};
constexpr std::array kSampler = {
    OptionValue{"random", 0, "each picture once an epoch"},
    OptionValue{"balanced", 1, "drawn with replacement, each class equally often"},
};
constexpr std::array kCrop = {
    OptionValue{"auto", 3, "random-resized above 64 pixels, pad up to there"},
    OptionValue{"random-resized", 0, "a random part, resized (Szegedy et al. 2015)"},
    OptionValue{"pad", 1, "padded by an eighth, then cropped (He et al. 2016)"},
    OptionValue{"none", 2, "as in evaluation"},
};
constexpr int kCropAuto = 3;
constexpr std::array kAutoAugment = {
    OptionValue{"none", 0, "off"},
    OptionValue{"ta-wide", 1, "TrivialAugment, wide (Mueller and Hutter 2021)"},
};
constexpr std::array kEvalMetric = {
    OptionValue{"top1", 0, "share of pictures named rightly"},
    OptionValue{"macro-f1", 1, "mean of the classes' F1"},
    OptionValue{"loss", 2, "mean cross-entropy"},
};
constexpr std::array kPrecision = {
    OptionValue{"fp32", 0, "32-bit floating point"},
    OptionValue{"bf16", 1, "convolutions in bfloat16, weights in fp32"},
    OptionValue{"fp16", 2, "convolutions in float16, weights in fp32, the loss scaled"},
    OptionValue{"tf32", 3, "on a GPU: 32 bits of which products use 19"},
};
constexpr std::array kCache = {
    OptionValue{"auto", 3, "features where the trunk is frozen, else uint8"},
    OptionValue{"none", 0, "decode in every epoch"},
    OptionValue{"uint8", 1, "keep decoded pictures"},
    OptionValue{"features", 2, "keep what the frozen layers make of each picture, without augmentation"},
};

// torchvision's spellings that are not ours with other dashes.
struct Spelling {
  std::string_view theirs, ours;
};
constexpr std::array kSpellings = {
    Spelling{"cosineannealinglr", "cosine"},  Spelling{"steplr", "step"},
    Spelling{"onecyclelr", "onecycle"},       Spelling{"constantlr", "constant"},
    Spelling{"reducelronplateau", "plateau"},
};

std::string our_spelling(std::string_view value) {
  for (const Spelling& spelling : kSpellings)
    if (spelling.theirs == value) return std::string(spelling.ours);
  std::string text(value);
  for (char& c : text)
    if (c == '_') c = '-';
  return text;
}

template <class Number>
bool parse_number(std::string_view text, const Option& option, Number& number) {
  Number parsed{};
  const std::from_chars_result end = std::from_chars(text.data(), text.data() + text.size(), parsed);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size()) return false;
  const double value = static_cast<double>(parsed);
  if (!std::isfinite(value) || value < option.minimum || value > option.maximum) return false;
  number = parsed;
  return true;
}

// `Field` is a function without state from a Recipe to one of its members.
template <auto Field>
using FieldType = std::remove_cvref_t<decltype(Field(std::declval<Recipe&>()))>;

template <auto Field>
bool set_number(Recipe& recipe, const RecipeRow& row, std::string_view text) {
  if (row.auto_number && text == "auto") {
    Field(recipe) = static_cast<FieldType<Field>>(*row.auto_number);
    return true;
  }
  return parse_number(text, row.option, Field(recipe));
}

template <auto Field>
std::string get_number(const Recipe& recipe, const RecipeRow& row) {
  const FieldType<Field> value = Field(const_cast<Recipe&>(recipe));
  if (row.auto_number && static_cast<double>(value) == *row.auto_number) return "auto";
  if constexpr (std::is_floating_point_v<FieldType<Field>>) return number_text(value);
  return std::to_string(value);
}

template <auto Field>
bool set_boolean(Recipe& recipe, const RecipeRow&, std::string_view text) {
  if (text != "true" && text != "false") return false;
  Field(recipe) = text == "true";
  return true;
}

template <auto Field>
std::string get_boolean(const Recipe& recipe, const RecipeRow&) {
  return Field(const_cast<Recipe&>(recipe)) ? "true" : "false";
}

template <auto Field>
bool set_enum(Recipe& recipe, const RecipeRow& row, std::string_view text) {
  const std::optional<int> value = option_value(row.option, our_spelling(text));
  if (value) Field(recipe) = static_cast<FieldType<Field>>(*value);
  return value.has_value();
}

std::string name_of_value(const Option& option, int value) {
  for (const OptionValue& row : option.values)
    if (row.value == value) return std::string(row.name);
  return {};
}

template <auto Field>
std::string get_enum(const Recipe& recipe, const RecipeRow& row) {
  return name_of_value(row.option, static_cast<int>(Field(const_cast<Recipe&>(recipe))));
}

struct Range {
  double minimum, maximum;
};

template <auto Field>
constexpr RecipeRow number(std::string_view name, std::string_view text, Range range, std::string_view help,
                           bool changes_result = true, std::optional<double> auto_number = {}) {
  constexpr OptionType type = std::is_same_v<FieldType<Field>, double>     ? OptionType::Double
                              : std::is_same_v<FieldType<Field>, uint64_t> ? OptionType::Uint64
                                                                           : OptionType::Uint;
  return {{.name = name,
           .type = type,
           .default_text = text,
           .minimum = range.minimum,
           .maximum = range.maximum,
           .help = help},
          changes_result,
          set_number<Field>,
          get_number<Field>,
          auto_number};
}

template <auto Field>
constexpr RecipeRow boolean(std::string_view name, std::string_view text, std::string_view help,
                            bool changes_result = true) {
  return {{.name = name, .type = OptionType::Boolean, .default_text = text, .help = help},
          changes_result,
          set_boolean<Field>,
          get_boolean<Field>};
}

template <auto Field>
constexpr RecipeRow choice(std::string_view name, std::string_view text, std::span<const OptionValue> values,
                           std::string_view help) {
  return {{.name = name, .type = OptionType::Enum, .default_text = text, .values = values, .help = help},
          true,
          set_enum<Field>,
          get_enum<Field>};
}

// "auto", "224" (square) or "320x240".
bool set_crop_size(Recipe& recipe, const RecipeRow&, std::string_view text) {
  if (text == "auto") {
    recipe.train_crop_width = recipe.train_crop_height = 0;
    return true;
  }
  const Option sides{.name = "", .type = OptionType::Uint, .default_text = "", .minimum = 1, .maximum = kMaxSide};
  const size_t x = text.find('x');
  int width = 0, height = 0;
  if (!parse_number(text.substr(0, x), sides, width)) return false;
  if (x == std::string_view::npos) height = width;
  if (x != std::string_view::npos && !parse_number(text.substr(x + 1), sides, height)) return false;
  recipe.train_crop_width = width;
  recipe.train_crop_height = height;
  return true;
}

std::string get_crop_size(const Recipe& recipe, const RecipeRow&) {
  if (recipe.train_crop_width == 0) return "auto";
  std::string text = std::to_string(recipe.train_crop_width);
  if (recipe.train_crop_height != recipe.train_crop_width)
    text.append("x").append(std::to_string(recipe.train_crop_height));
  return text;
}

bool set_crop(Recipe& recipe, const RecipeRow& row, std::string_view text) {
  const std::optional<int> value = option_value(row.option, our_spelling(text));
  if (!value) return false;
  recipe.crop_is_auto = *value == kCropAuto;
  recipe.augment.crop = recipe.crop_is_auto ? CropKind::RandomResizedCrop : static_cast<CropKind>(*value);
  return true;
}

std::string get_crop(const Recipe& recipe, const RecipeRow& row) {
  return name_of_value(row.option, recipe.crop_is_auto ? kCropAuto : static_cast<int>(recipe.augment.crop));
}

constexpr std::array kCorrupt = {
    OptionValue{"fail", 0, "the first ends the run"},
    OptionValue{"skip", 1, "named and left out, up to --corrupt-budget"},
};

#define FIELD(member) \
  [](Recipe & recipe) -> auto& { return recipe.member; }

constexpr Range kShare = {0, 1};
constexpr Range kCount = {0, kMaxUint};
constexpr Range kFromOne = {1, kMaxUint};
constexpr Range kNotNegative = {0, 1e9};
constexpr double kAutoRate = 0, kAutoDecay = -1, kAutoStepSize = 0;

constexpr RecipeRow kRows[] = {
    choice<FIELD(trainable)>("trainable", "auto", kTrainable, "What learns"),
    number<FIELD(head_epochs)>("head-epochs", "0", kCount,
                               "Epochs before the others in which only the head learns (LP-FT, Kumar et al. 2022)"),
    choice<FIELD(norm)>("norm", "keep", kNorm, "Kind of normalisation"),
    boolean<FIELD(norm_train_affine)>("norm-train-affine", "false",
                                      "With norm=frozen: scale and shift learn, only the statistics stay"),
    number<FIELD(adapt_norm)>("adapt-norm", "0", kCount,
                              "Batch statistics are taken anew from so many pictures before training; 0: not"),
    {{.name = "train-crop-size",
      .type = OptionType::String,
      .default_text = "auto",
      .help = "Size of training pictures, N or WxH; auto: the model's input"},
     true,
     set_crop_size,
     get_crop_size},
    number<FIELD(epochs)>("epochs", "auto", {0, kAutoEpochs - 1.0},
                          "Times that each picture is seen; auto: 60 for a head on cached features, where an epoch "
                          "takes moments, else 10; 0 with adapt-norm: only that",
                          true, kAutoEpochs),
    number<FIELD(batch_size)>("batch-size", "32", kFromOne, "Pictures in a batch"),
    number<FIELD(grad_accum_steps)>("grad-accum-steps", "1", kFromOne, "Batches in one step of the optimiser"),
    number<FIELD(max_time_s)>("max-time", "0", kNotNegative, "Ends the run cleanly after so many seconds; 0: no limit",
                              false),
    choice<FIELD(opt)>("opt", "sgd", kOpt, "Optimiser"),
    number<FIELD(lr)>("lr", "auto", {1e-12, 1e6},
                      "Learning rate; auto: SGD 0.1 for a head or a new net, else 0.01, times effective batch / 256, "
                      "Adam and AdamW 1e-3 and 1e-4; for a head on cached features, which are brought to mean 0 and "
                      "deviation 1, SGD takes 1 / L, L = half the largest eigenvalue of their second moment: no "
                      "gradient of the loss changes faster",
                      true, kAutoRate),
    number<FIELD(momentum)>("momentum", "0.9", {0, 0.9999}, "Of SGD"),
    number<FIELD(weight_decay)>("weight-decay", "0.0001", kNotNegative, "Of all parameters without one of their own"),
    number<FIELD(norm_weight_decay)>("norm-weight-decay", "auto", kNotNegative,
                                     "Of normalisation's scale and shift; auto: as weight-decay", true, kAutoDecay),
    number<FIELD(bias_weight_decay)>("bias-weight-decay", "auto", kNotNegative,
                                     "Of all that is added, normalisation's shift too; auto: as the others", true,
                                     kAutoDecay),
    number<FIELD(layer_decay)>("layer-decay", "1", {0.01, 1},
                               "Each block learns at so much of the rate of the one after it"),
    number<FIELD(clip_grad_norm)>("clip-grad-norm", "0", kNotNegative, "Largest norm of the gradient; 0: off"),
    choice<FIELD(lr_scheduler)>("lr-scheduler", "cosine", kLrScheduler, "How the learning rate goes"),
    number<FIELD(lr_warmup_epochs)>("lr-warmup-epochs", "0", kNotNegative,
                                    "The rate rises linearly from a hundredth in these first epochs"),
    number<FIELD(lr_min)>("lr-min", "0", kNotNegative, "Where cosine ends, and plateau stops falling"),
    number<FIELD(lr_step_size)>("lr-step-size", "auto", kNotNegative,
                                "Epochs of a step; with plateau, epochs without gain before one; auto: 30 and 5", true,
                                kAutoStepSize),
    number<FIELD(lr_gamma)>("lr-gamma", "0.1", {1e-6, 1}, "What a step multiplies the rate by"),
    number<FIELD(label_smoothing)>("label-smoothing", "0", {0, 0.999}, "Szegedy et al. 2016"),
    choice<FIELD(class_weights)>("class-weights", "none", kClassWeights, "Weight of a class in the loss"),
    choice<FIELD(sampler)>("sampler", "random", kSampler, "How an epoch's pictures are chosen"),
    {{.name = "crop",
      .type = OptionType::Enum,
      .default_text = "auto",
      .values = kCrop,
      .help = "How training crops pictures"},
     true,
     set_crop,
     get_crop},
    number<FIELD(augment.scale_min)>("scale-min", "0.08", {0.0001, 1}, "Smallest area of a random-resized crop"),
    number<FIELD(augment.flip)>("hflip", "0.5", kShare, "Probability of a horizontal flip"),
    number<FIELD(augment.color_jitter)>("color-jitter", "0", kShare,
                                        "Brightness, contrast and saturation vary by so much, hue by a quarter of it"),
    choice<FIELD(augment.auto_augment)>("auto-augment", "none", kAutoAugment,
                                        "TrivialAugment (Mueller and Hutter 2021): one drawn operation a picture"),
    number<FIELD(augment.random_erase)>("random-erase", "0", kShare,
                                        "Probability that a rectangle is erased (Zhong et al. 2020)"),
    number<FIELD(mixup_alpha)>("mixup-alpha", "0", {0, 100}, "Mixes pairs of pictures (Zhang et al. 2018); 0: off"),
    number<FIELD(cutmix_alpha)>("cutmix-alpha", "0", {0, 100},
                                "Puts a part of one picture into another (Yun et al. 2019); 0: off"),
    number<FIELD(ra_reps)>(
        "ra-reps", "1", {1, 64},
        "Repeated augmentation (Hoffer et al. 2020): so many views of a picture, and as many pictures "
        "fewer an epoch"),
    boolean<FIELD(model_ema)>("model-ema", "false", "Averages the weights over training, and takes the better ones"),
    number<FIELD(model_ema_steps)>("model-ema-steps", "32", kFromOne, "Steps between two averagings"),
    number<FIELD(model_ema_decay)>(
        "model-ema-decay", "auto", kShare,
        "torchvision's decay, rescaled by its rule; auto: min(0.9998, (1 + t) / (10 + t)) over t averagings", true,
        kAutoDecay),
    number<FIELD(early_stop_patience)>("early-stop-patience", "0", kCount,
                                       "Ends after so many epochs without gain, those of --head-epochs aside; 0: off"),
    choice<FIELD(eval_metric)>("eval-metric", "top1", kEvalMetric, "What the best model is the best by"),
    choice<FIELD(precision)>("precision", "fp32", kPrecision, "Arithmetic of training"),
    number<FIELD(threads)>("threads", "0", {0, 1024}, "Threads that compute; 0: as many as the process may use", false),
    number<FIELD(workers)>("workers", "0", {0, 1024}, "Threads that decode; 0: as many as the process may use", false),
    number<FIELD(seed)>("seed", "0", {0, kMaxUint64}, "Of the split, order, augmentation and new weights"),
    boolean<FIELD(deterministic)>("deterministic", "false",
                                  "An operation that could give other bits another time is an error. On the CPU none "
                                  "is used: the weights are those of a run without it, which takes less time, for "
                                  "LibTorch fills all new memory then",
                                  false),
    choice<FIELD(cache)>("cache", "auto", kCache, "What is kept from epoch to epoch"),
    number<FIELD(cache_max_bytes)>("cache-max-bytes", "2147483648", {0, kMaxUint64}, "Bytes that the cache may take"),
    boolean<FIELD(fast_decode)>("fast-decode", "false",
                                "Decodes training pictures at a reduced size where a random-resized crop allows it"),
    choice<FIELD(skip_corrupt)>("on-corrupt", "skip", kCorrupt, "What a picture that cannot be decoded does"),
    number<FIELD(corrupt_budget)>("corrupt-budget", "0.01", kShare,
                                  "Share of pictures that may be corrupt before the run fails", false),
    number<FIELD(checkpoint_interval)>("checkpoint-interval", "0", kCount,
                                       "Optimiser steps between checkpoints; 0: each epoch", false),
    number<FIELD(checkpoint_hist)>("checkpoint-hist", "3", kFromOne, "Checkpoints that are kept", false),
};

#undef FIELD

}  // namespace

std::span<const RecipeRow> recipe_rows() { return kRows; }

std::string number_text(double value) {
  char text[64];
  const double size = std::abs(value);
  const bool plain = size == 0 || (size >= 1e-5 && size < 1e15);
  const std::to_chars_result end =
      std::to_chars(text, text + sizeof text, value, plain ? std::chars_format::fixed : std::chars_format::general);
  return {text, end.ptr};
}

}  // namespace resnetft
