// SPDX-License-Identifier: MIT
// ft-tool convert: any weight file in, safetensors or .pth out, with labels, preprocessing, head and normalisation as
// asked.
#include <cmath>
#include <filesystem>
#include <random>

#include "base/hash.h"
#include "base/mapped_file.h"
#include "json_text.h"
#include "model/model_card.h"
#include "model/normalization.h"
#include "model_source.h"
#include "picture_options.h"
#include "resnetft/preprocess.h"
#include "terminal.h"
#include "tool_options.h"
#include "verbs.h"

namespace resnetft::tool {
namespace {

Status change_preprocess(const CommandLine& line, PreprocessSpec& spec) {
  if (line.given("input-size") && line.given("crop"))
    return Error{ErrorCode::InvalidArgument, "--input-size and --crop exclude each other",
                 "--crop leaves --resize as it is"};
  if (line.given("input-size")) {
    const Result<Size> size = parse_size(line, "input-size");
    if (!size) return size.error();
    scale_to(spec, *size);
  }
  if (line.given("crop")) {
    const Result<Size> size = parse_size(line, "crop");
    if (!size) return size.error();
    spec.crop_width = size->width;
    spec.crop_height = size->height;
  }
  if (line.given("resize")) spec.resize = static_cast<int>(line.number("resize"));
  return change_filter_and_colour(line, spec);
}

// Uniform in +-1 / sqrt(features), as PyTorch's Linear starts.
FloatTensor uniform_tensor(std::vector<int64_t> shape, int64_t features, std::mt19937_64& random) {
  size_t size = 1;
  for (const int64_t side : shape) size *= static_cast<size_t>(side);
  const double bound = 1 / std::sqrt(static_cast<double>(features));
  FloatTensor tensor{std::move(shape), std::vector<float>(size)};
  constexpr double kSteps = 9007199254740992;  // 2^53: a distribution of our own gives the same bits everywhere
  for (float& value : tensor.values)
    value = static_cast<float>(bound * (2 * static_cast<double>(random() >> 11) / kSteps - 1));
  return tensor;
}

void replace_head(FloatWeights& weights, int64_t num_classes, uint64_t seed) {
  const std::string head = weights.contains("fc.weight") ? "fc" : "linear";
  const int64_t features = weights[head + ".weight"].shape.at(1);
  std::mt19937_64 random(seed);
  weights[head + ".weight"] = uniform_tensor({num_classes, features}, features, random);
  weights[head + ".bias"] = uniform_tensor({num_classes}, features, random);
}

Status change_labels(const CommandLine& line, ModelCard& card) {
  if (!line.given("labels")) return Status::success();
  const std::vector<std::string> labels = split_at_commas(line.text("labels"));
  if (static_cast<int64_t>(labels.size()) != card.num_classes)
    return Error{ErrorCode::Incompatible,
                 "--labels has " + std::to_string(labels.size()) + " names, the head has " +
                     std::to_string(card.num_classes) + " classes",
                 "pass " + std::to_string(card.num_classes) + " names, or --num-classes " +
                     std::to_string(labels.size()) + " for a new, untrained head"};
  card.labels = labels;
  return Status::success();
}

// A new head forgets the old classes' names, and the temperature that was fitted to it.
void change_head(const CommandLine& line, ModelCard& card, FloatWeights& weights) {
  const int64_t num_classes = static_cast<int64_t>(line.number("num-classes"));
  if (num_classes == 0) return;
  replace_head(weights, num_classes, line.number("seed"));
  card.num_classes = num_classes;
  card.labels.clear();
  card.temperature = 1.0;
}

Status change_normalization(const CommandLine& line, ModelCard& card, FloatWeights& weights) {
  const int wanted = line.choice("norm");
  if (wanted < 0) return Status::success();
  Result<FloatWeights> converted =
      convert_normalization(weights, card.normalization, static_cast<Normalization>(wanted));
  if (!converted) return converted.error();
  weights = std::move(*converted);
  card.normalization = static_cast<Normalization>(wanted);
  return Status::success();
}

// Whatever it knew before, and whom it comes from now.
std::string provenance_of(const Model& parent) {
  OrderedJson json = OrderedJson::parse(parent.card().provenance_json, nullptr, false);
  if (!json.is_object()) json = OrderedJson::object();
  json["parent"] = parent.sha256();
  return json_text(json);
}

// A --labels-file names the classes of the new head where there is one, else those of the file.
Result<std::vector<std::string>> take_labels_file(const CommandLine& line, LoadOptions& options) {
  if (line.number("num-classes") == 0 || options.labels.empty()) return std::vector<std::string>();
  std::vector<std::string> labels;
  std::swap(labels, options.labels);
  if (labels.size() == line.number("num-classes")) return labels;
  return Error{
      ErrorCode::Incompatible,
      "--labels-file has " + std::to_string(labels.size()) + " lines, --num-classes is " + line.text("num-classes"),
      "let both be the same"};
}

Result<std::shared_ptr<const Model>> convert(const CommandLine& line, const std::string& path) {
  Result<LoadOptions> options = load_options(line);
  if (!options) return options.error();
  if (line.given("labels") && line.given("labels-file"))
    return Error{ErrorCode::InvalidArgument, "--labels and --labels-file exclude each other", ""};
  const Result<std::vector<std::string>> new_labels = take_labels_file(line, *options);
  if (!new_labels) return new_labels.error();
  const Result<std::shared_ptr<const Model>> model = load_model(path, *options);
  if (!model) return model.error();
  const Result<std::shared_ptr<const FloatWeights>> loaded = (*model)->weights();
  if (!loaded) return loaded.error();

  ModelCard card = (*model)->card();
  FloatWeights weights = **loaded;
  card.provenance_json = provenance_of(**model);
  change_head(line, card, weights);
  if (!new_labels->empty()) card.labels = *new_labels;
  if (Status status = change_labels(line, card); !status) return status.error();
  if (Status status = change_preprocess(line, card.preprocess); !status) return status.error();
  if (Status status = change_normalization(line, card, weights); !status) return status.error();
  return Model::create(std::move(card), std::move(weights));
}

Result<int> run(const CommandLine& line) {
  if (line.arguments().size() != 2)
    return Error{ErrorCode::InvalidArgument,
                 "two files are needed, " + std::to_string(line.arguments().size()) + " named",
                 "ft-tool convert IN OUT"};
  const std::string& target = line.arguments()[1];
  if (Status status = check_model_target(target); !status) return status.error();
  const Result<std::shared_ptr<const Model>> model = convert(line, line.arguments()[0]);
  if (!model) return model.error();
  if (interrupted()) return interrupted_error();
  if (Status status = save_model(**model, target); !status) return status.error();

  const Result<std::shared_ptr<const MappedFile>> written = MappedFile::open(target);
  if (!written) return written.error();
  const ModelCard& card = (*model)->card();
  OrderedJson json;
  json["path"] = target;
  json["format"] = target.ends_with(".pth") ? "pytorch-zip" : "safetensors";
  json["bytes"] = (*written)->bytes().size();
  json["sha256"] = sha256_hex((*written)->bytes());
  json["arch"] = card.architecture;
  json["num-classes"] = card.num_classes;
  json["labels"] = card.labels;
  json["normalization"] = normalization_name(card.normalization);
  json["preprocess"] = preprocess_to_json(card.preprocess);
  json["new-head"] = line.number("num-classes") > 0;
  const std::string text = "wrote " + target + ": " + card.architecture + ", " + std::to_string(card.num_classes) +
                           " classes" + (line.number("num-classes") > 0 ? " (a new, untrained head)" : "") + ", " +
                           std::to_string((*written)->bytes().size()) + " bytes\n";
  if (Status status = write_out(line.flag("json") ? json_text(json) + "\n" : text); !status) return status.error();
  return 0;
}

}  // namespace

Verb convert_verb() {
  return {
      "convert",
      "IN OUT",
      "Writes weights as safetensors or .pth, with labels and preprocessing",
      "OUT ends in .safetensors (the card inside) or .pth (for torch.load and torchvision; the card inside, too).\n\n"
      "  ft-tool convert resnet18-f37072fd.pth birds.safetensors --num-classes 3 --labels owl,kite,wren\n"
      "  ft-tool convert birds.safetensors birds.pth",
      joined({option_rows({"labels-file", "arch", "labels", "num-classes", "seed", "norm", "input-size", "resize",
                           "crop", "resize-mode", "interpolation", "mean", "std", "json", "verbose"})}),
      run};
}

}  // namespace resnetft::tool
