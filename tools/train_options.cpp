// SPDX-License-Identifier: MIT
#include "train_options.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "dataset.h"
#include "device/training_device.h"
#include "model/architecture.h"
#include "model/network.h"
#include "model_source.h"
#include "picture_options.h"
#include "tool_options.h"
#include "train/checkpoint.h"
#include "train/corrupt_log.h"

namespace resnetft::tool {
namespace {

namespace fs = std::filesystem;

constexpr std::array kOwnRows = {
    Option{.name = "data",
           .type = OptionType::String,
           .default_text = "",
           .help = "A folder with train/ and val/ (or test/), CIFAR binaries, or a folder of classes to be split"},
    Option{.name = "output",
           .type = OptionType::String,
           .default_text = "",
           .help = "The folder for model, checkpoints, metrics and report"},
    Option{.name = "val-split",
           .type = OptionType::Double,
           .default_text = "0.2",
           .minimum = 0.001,
           .maximum = 0.999,
           .help = "Share of each class that is kept back to judge by, where --data has no such folder"},
    Option{
        .name = "val-data", .type = OptionType::String, .default_text = "", .help = "A folder of classes to judge by"},
    Option{.name = "config",
           .type = OptionType::String,
           .default_text = "",
           .help = "An INI file with any of these options below [train]; the command line wins"},
    Option{.name = "resume",
           .type = OptionType::String,
           .default_text = "",
           .help = "Goes on from a checkpoint: a file, or auto, the newest in --output if there is one"},
    Option{.name = "input-size",
           .type = OptionType::String,
           .default_text = "",
           .help = "N or WIDTHxHEIGHT of the network's input; the resize before follows in proportion"},
    Option{.name = "device",
           .type = OptionType::String,
           .default_text = "auto",
           .help = "auto, cpu, cuda (the first GPU) or cuda:N; a named one that is missing is an error"},
    Option{.name = "val-resize-size",
           .type = OptionType::Uint,
           .default_text = "0",
           .maximum = 32768,
           .help = "The shortest side before evaluation's crop; 0: as the model's card says"},
    Option{.name = "val-crop-size",
           .type = OptionType::String,
           .default_text = "",
           .help = "N or WIDTHxHEIGHT that evaluation keeps, where it differs from --input-size"},
};

Option own(std::string_view name) { return *find_option(kOwnRows, name); }

// Tool's options that stand before a recipe's of that name.
struct Insertion {
  std::string_view before;
  std::vector<Option> rows;
};

std::vector<Insertion> insertions() {
  std::vector<Option> after_crop = {own("val-resize-size"), own("val-crop-size")};
  for (const Option& row : option_rows({"resize-mode", "interpolation", "mean", "std"})) after_crop.push_back(row);
  return {{"train-crop-size", {own("input-size")}}, {"epochs", after_crop}, {"precision", {own("device")}}};
}

constexpr std::array kAliases = {
    OptionAlias{"data-path", "data"},     OptionAlias{"output-dir", "output"}, OptionAlias{"model", "arch"},
    OptionAlias{"weights", "model-file"}, OptionAlias{"wd", "weight-decay"},   OptionAlias{"b", "batch-size"},
    OptionAlias{"j", "workers"},          OptionAlias{"learning-rate", "lr"},  OptionAlias{"optimizer", "opt"}};

bool is_recipe_option(std::string_view name) { return find_option(recipe_options(), name) != nullptr; }

Result<std::shared_ptr<const Model>> open_base(const CommandLine& line) {
  if (line.given("model-file")) return open_model(line);
  if (line.choice("arch") != 0) return std::shared_ptr<const Model>();
  return Error{ErrorCode::InvalidArgument, "neither a base nor an architecture is named",
               "pass --model-file FILE to fine-tune, or --arch NAME to train from scratch"};
}

Result<ModelCard> card_to_begin_with(const CommandLine& line, const Model* base) {
  if (base) return base->card();
  const Result<Architecture> architecture = find_architecture(line.text("arch"));
  if (!architecture) return architecture.error();
  ModelCard card;
  card.architecture = line.text("arch");
  if (architecture->block == BlockKind::Cifar)
    card.preprocess.resize = card.preprocess.crop_width = card.preprocess.crop_height = 32;
  return card;
}

Status change_size(const CommandLine& line, PreprocessSpec& spec, Size& train_size) {
  // "As it is" would fit only pictures that have the crop's size, and those a resize leaves as they are.
  if (spec.resize == 0 && spec.mode == ResizeMode::Crop) spec.resize = std::min(spec.crop_width, spec.crop_height);
  if (line.given("input-size")) {
    const Result<Size> size = parse_size(line, "input-size");
    if (!size) return size.error();
    scale_to(spec, *size);
  }
  train_size = {spec.crop_width, spec.crop_height};
  if (const int resize = static_cast<int>(line.number("val-resize-size")); resize > 0) spec.resize = resize;
  if (line.given("val-crop-size")) {
    const Result<Size> size = parse_size(line, "val-crop-size");
    if (!size) return size.error();
    spec.crop_width = size->width;
    spec.crop_height = size->height;
  }
  return change_filter_and_colour(line, spec);
}

Result<PlannedInput> plan_input_of(const CommandLine& line, const Model* base) {
  Result<ModelCard> card = card_to_begin_with(line, base);
  if (!card) return card.error();
  PlannedInput planned{std::move(*card), {}};
  if (Status status = change_size(line, planned.card.preprocess, planned.train_size); !status) return status.error();
  return planned;
}

// What the finished net could not be judged with would only be found out at the end.
Status check_input(const ModelCard& card) {
  const Result<Architecture> architecture = find_architecture(card.architecture);
  if (!architecture) return architecture.error();
  const PreprocessSpec& input = card.preprocess;
  const Result<Network> network = build_network(*architecture, input.crop_width, input.crop_height, 1);
  if (!network) return network.error();
  return Status::success();
}

size_t head_features(const ModelCard& card) {
  const Result<Architecture> architecture = find_architecture(card.architecture);
  if (!architecture) return 0;
  const std::vector<ParameterSpec> parameters = parameter_specs(*architecture, 1);
  return static_cast<size_t>(parameters.at(parameters.size() - 2).shape.at(1));
}

void choose_normalization(const Recipe& recipe, ModelCard& card) {
  if (recipe.norm != NormChoice::Keep)
    card.normalization =
        static_cast<Normalization>(static_cast<int>(recipe.norm) - static_cast<int>(NormChoice::Batch));
}

Status read_recipe(const CommandLine& line, Recipe& recipe) {
  for (const Option& option : recipe_options())
    if (line.given(option.name))
      if (Status status = set_recipe_option(recipe, option.name, line.text(option.name)); !status) return status;
  return Status::success();
}

// Where the base knows exactly these classes, they keep its order: what was fine-tuned can then be averaged with it.
Status keep_order_of(const Model* base, DataSplit& data) {
  if (!base) return Status::success();
  const std::vector<std::string>& labels = base->card().labels;
  if (!std::ranges::is_permutation(labels, data.train->classes())) return Status::success();
  for (DatasetPtr* part : {&data.train, &data.validation}) {
    Result<DatasetPtr> ordered = with_classes(*part, labels);
    if (!ordered) return ordered.error();
    *part = std::move(*ordered);
  }
  return Status::success();
}

// A run is repeated from another folder too.
std::string absolute_path(const std::string& path) {
  std::error_code failed;
  const fs::path absolute = fs::absolute(path, failed);
  return failed ? path : absolute.string();
}

std::vector<std::pair<std::string, std::string>> arguments_of(const CommandLine& line, const TrainPlan& plan) {
  std::vector<std::pair<std::string, std::string>> arguments;
  for (const Option& option : train_options()) {
    const std::string_view name = option.name;
    if (is_recipe_option(name) || !line.given(name)) continue;
    if (name == "output" || name == "config" || name == "resume" || name == "json" || name == "verbose" ||
        name == "device")
      continue;
    const bool is_path = name == "data" || name == "val-data" || name == "model-file" || name == "labels-file";
    arguments.emplace_back(name, is_path ? absolute_path(line.text(name)) : line.text(name));
  }
  arguments.emplace_back("device", device_name(plan.device));
  for (auto& argument : recipe_to_options(plan.recipe)) arguments.push_back(std::move(argument));
  return arguments;
}

}  // namespace

std::vector<Option> input_options() {
  std::vector<Option> rows = model_options();
  for (const std::string_view name : {"input-size", "val-resize-size", "val-crop-size"}) rows.push_back(own(name));
  for (const Option& row : option_rows({"resize-mode", "interpolation", "mean", "std"})) rows.push_back(row);
  return rows;
}

Result<PlannedInput> plan_input(const CommandLine& line) {
  const Result<std::shared_ptr<const Model>> base = open_base(line);
  if (!base) return base.error();
  return plan_input_of(line, base->get());
}

std::vector<Option> train_options() {
  std::vector<Option> rows = {own("data"), own("output"), own("val-split"), own("val-data")};
  for (const Option& row : model_options()) rows.push_back(row);
  for (const Option& row : {own("config"), own("resume")}) rows.push_back(row);
  for (const Option& row : option_rows({"json", "verbose"})) rows.push_back(row);
  const std::vector<Insertion> inserted = insertions();
  for (const Option& row : recipe_options()) {
    const auto here = std::ranges::find(inserted, row.name, &Insertion::before);
    if (here != inserted.end()) rows.insert(rows.end(), here->rows.begin(), here->rows.end());
    rows.push_back(row);
  }
  return rows;
}

std::vector<OptionGroup> train_option_groups() {
  return {{"The run", "data"},
          {"What trains", "trainable"},
          {"Normalisation", "norm"},
          {"Size", "input-size"},
          {"Length and batch", "epochs"},
          {"Optimiser", "opt"},
          {"Schedule", "lr-scheduler"},
          {"Loss and sampling", "label-smoothing"},
          {"Augmentation", "crop"},
          {"Averaging and stopping", "model-ema"},
          {"Machine", "device"},
          {"Reading pictures", "cache"},
          {"Checkpoints", "checkpoint-interval"}};
}

std::span<const OptionAlias> train_option_aliases() { return kAliases; }

Status check_train_option(const Option& option, const std::string& value) {
  Recipe scratch;
  return is_recipe_option(option.name) ? set_recipe_option(scratch, option.name, value) : check_value(option, value);
}

void take_recipe(TrainPlan& plan, const Recipe& recipe, const std::string& why) {
  plan.recipe = recipe;
  plan.decisions.push_back(why);
  for (const auto& [name, value] : recipe_to_options(recipe))
    std::ranges::find(plan.arguments, name, &std::pair<std::string, std::string>::first)->second = value;
}

Result<std::string> checkpoint_to_resume(const CommandLine& line) {
  if (!line.given("resume")) return std::string();
  std::error_code ignored;
  const std::string named = line.text("resume");
  if (named != "auto") {
    if (fs::exists(named, ignored)) return named;
    return Error{ErrorCode::NotFound, "there is no checkpoint '" + named + "'",
                 "pass --resume auto for the newest in --output"};
  }
  Result<std::string> newest = latest_checkpoint(line.text("output") + "/checkpoints");
  if (!newest && newest.error().code == ErrorCode::NotFound) return std::string();
  return newest;
}

Result<TrainPlan> plan_training(const CommandLine& line) {
  if (!line.given("data")) return Error{ErrorCode::InvalidArgument, "no data is named", "pass --data FOLDER"};
  if (line.flag("deterministic")) setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  const Result<Device> device = choose_training_device(line.text("device"));
  if (!device) return device.error();
  TrainPlan plan;
  plan.device = *device;
  if (Status status = read_recipe(line, plan.recipe); !status) return status.error();
  Result<std::shared_ptr<const Model>> base = open_base(line);
  if (!base) return base.error();
  plan.base = std::move(*base);
  Result<PlannedInput> planned = plan_input_of(line, plan.base.get());
  if (!planned) return planned.error();
  plan.card = std::move(planned->card);
  choose_normalization(plan.recipe, plan.card);
  if (Status status = check_input(plan.card); !status) return status.error();

  Progress progress("near-duplicates", 0);
  Result<DataSplit> data = open_data(line.text("data"), {.validation_folder = line.text("val-data"),
                                                         .validation_fraction = line.real("val-split"),
                                                         .seed = plan.recipe.seed,
                                                         .workers = worker_count(line),
                                                         .progress = visit_progress(progress)});
  if (!data) return visit_error(data.error());
  plan.data = std::move(*data);
  CorruptLog corrupt(plan.recipe, plan.data.train->size() + plan.data.validation->size(), say);
  for (const auto& [name, error] : plan.data.corrupt)
    if (Status status = corrupt.add(name, error); !status) return status.error();
  plan.corrupt = corrupt.names();
  if (Status status = keep_order_of(plan.base.get(), plan.data); !status) return status.error();
  plan.card.labels = plan.data.train->classes();
  plan.card.num_classes = static_cast<int64_t>(plan.card.labels.size());
  plan.card.temperature = 1;
  plan.decisions = resolve_recipe(plan.recipe, {.images = plan.data.train->size(),
                                                .classes = plan.card.labels.size(),
                                                .input_width = planned->train_size.width,
                                                .input_height = planned->train_size.height,
                                                .has_base = plan.base != nullptr,
                                                .validation_images = plan.data.validation->size(),
                                                .head_features = head_features(plan.card)});
  plan.arguments = arguments_of(line, plan);
  return plan;
}

}  // namespace resnetft::tool
