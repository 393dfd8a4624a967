// SPDX-License-Identifier: MIT
// How a net is trained: every option once, with its name, default and help, and the values it resolves to. The tool's
// `train` and the element's learner read the same table.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/options.h"
#include "data/augmentation.h"
#include "resnetft/error.h"
#include "resnetft/model.h"

namespace resnetft {

enum class Trainable { Auto, Head, Layer4, All };
enum class Optimizer { Sgd, SgdNesterov, Adam, AdamW };
enum class LrScheduler { Cosine, Step, OneCycle, Plateau, Constant };
enum class ClassWeights { None, Inverse, Effective };
enum class Sampler { Random, Balanced };
enum class EvalMetric { Top1, MacroF1, Loss };
enum class NormChoice { Keep, Batch, Frozen, Layer, Group };
enum class CacheKind { None, Uint8, Features, Auto };
enum class TrainPrecision { Fp32, Bf16, Fp16, Tf32 };

inline constexpr uint32_t kAutoEpochs = 4294967295;

// Defaults are those of recipe_options(). What says "auto" there is resolved before training begins, but for the rate
// of a head on cached features, which follows from them: a Recipe in a checkpoint or args.ini holds numbers only.
struct Recipe {
  Trainable trainable = Trainable::Auto;
  uint32_t head_epochs = 0;
  NormChoice norm = NormChoice::Keep;
  bool norm_train_affine = false;
  uint32_t adapt_norm = 0;
  int train_crop_width = 0, train_crop_height = 0;  // 0: the card's
  uint32_t epochs = kAutoEpochs;
  uint32_t batch_size = 32;
  uint32_t grad_accum_steps = 1;
  double max_time_s = 0;  // 0: no limit
  Optimizer opt = Optimizer::Sgd;
  double lr = 0;  // 0: auto
  double momentum = 0.9;
  double weight_decay = 1e-4;
  double norm_weight_decay = -1;  // negative: as weight_decay
  double bias_weight_decay = -1;
  double layer_decay = 1;
  double clip_grad_norm = 0;  // 0: off
  LrScheduler lr_scheduler = LrScheduler::Cosine;
  double lr_warmup_epochs = 0;
  double lr_min = 0;
  double lr_step_size = 0;  // epochs; with plateau the patience; 0: auto, 30 and 5
  double lr_gamma = 0.1;
  double label_smoothing = 0;
  ClassWeights class_weights = ClassWeights::None;
  Sampler sampler = Sampler::Random;
  AugmentSpec augment;
  bool crop_is_auto = true;  // RandomResizedCrop above 64 pixels, PadAndCrop up to there
  double mixup_alpha = 0;
  double cutmix_alpha = 0;
  uint32_t ra_reps = 1;
  bool model_ema = false;
  uint32_t model_ema_steps = 32;
  double model_ema_decay = -1;       // negative: min(0.9998, (1 + t) / (10 + t))
  uint32_t early_stop_patience = 0;  // epochs; 0: off
  EvalMetric eval_metric = EvalMetric::Top1;
  TrainPrecision precision = TrainPrecision::Fp32;
  uint32_t threads = 0;  // 0: as many as the process may use
  uint32_t workers = 0;  // 0: as many as the process may use
  uint64_t seed = 0;
  bool deterministic = false;
  CacheKind cache = CacheKind::Auto;
  uint64_t cache_max_bytes = uint64_t{2} << 30;
  bool fast_decode = false;
  bool skip_corrupt = true;
  double corrupt_budget = 0.01;
  uint32_t checkpoint_interval = 0;  // optimiser steps; 0: each epoch
  uint32_t checkpoint_hist = 3;
};

// The rows, in the order of --help. Names of values are torchvision's words where they have one; its own spellings
// (sgd_nesterov, cosineannealinglr, ta_wide) are accepted by set_recipe_option() too.
std::span<const Option> recipe_options();

// Sets one field by its option's name. InvalidArgument names the option, the value and what is possible.
Status set_recipe_option(Recipe& recipe, std::string_view name, std::string_view value);

// Every option with its value, as args.ini and the checkpoint hold it; set_recipe_option() takes each back unchanged.
std::vector<std::pair<std::string, std::string>> recipe_to_options(const Recipe& recipe);

// Whether another value leads to other weights: workers, checkpoints and limits of time don't.
bool changes_result(std::string_view option_name);

// What `auto` becomes, and why, in a sentence for people each.
struct DataFacts {
  size_t images = 0;
  size_t classes = 0;
  int input_width = 0, input_height = 0;
  bool has_base = false;  // fine-tunes a published net rather than drawing one
  size_t validation_images = 0;
  size_t head_features = 0;  // numbers that the head gets of a picture
};
std::vector<std::string> resolve_recipe(Recipe& recipe, const DataFacts& facts);

// What training makes of a picture for a model whose card says `card`: other than evaluation where --train-crop-size
// is.
PreprocessSpec training_output(const Recipe& recipe, const PreprocessSpec& card);

// Whether the head's rate is still to be taken from the features that it learns on, once they are computed.
bool rate_follows_features(const Recipe& recipe);

// The rate that `auto` gives a head on pictures.
double automatic_head_rate(const Recipe& recipe);

// The recipe of the epochs that --head-epochs puts first: only the head learns, at the rate that `auto` gives a head.
Recipe head_phase(const Recipe& recipe);

// The learning rate of step `step` of `steps_per_epoch` * epochs; pure. `Plateau` is applied by the trainer on top.
// Cosine, step and warm-up are torch's CosineAnnealingLR, StepLR and LinearLR (from 0.01), counted in steps rather than
// epochs; onecycle is OneCycleLR with its defaults, whose rising part a warm-up sets the length of.
double learning_rate(const Recipe& recipe, uint64_t step, uint64_t steps_per_epoch);

// What Plateau multiplies the rate by after epochs with these values of the metric: torch's ReduceLROnPlateau with
// patience lr_step_size, threshold 1e-4 (relative) and no cooldown. `lower_is_better` for a loss.
double plateau_factor(const Recipe& recipe, std::span<const double> metric, bool lower_is_better);

}  // namespace resnetft
