// SPDX-License-Identifier: MIT
// Loads a model: bytes -> tensors -> names as in torchvision -> architecture, labels, preprocessing -> a checked value.
#include "resnetft/model.h"

#include <cmath>
#include <filesystem>
#include <mutex>
#include <optional>

#include "base/hash.h"
#include "base/log.h"
#include "base/mapped_file.h"
#include "model/fit.h"
#include "model/model_card.h"
#include "model/published.h"
#include "model/safetensors_file.h"
#include "model/weights.h"

namespace resnetft {
namespace {

Error about(const std::string& path, const Error& error) {
  return {error.code, "weights '" + path + "': " + error.message, error.hint};
}

Error not_found(const std::string& path, const Error& error) {
  const PublishedFile* published = find_published_by_name(std::filesystem::path(path).filename().string());
  if (!published) return error;
  return {error.code, error.message,
          "its publisher offers " + published->file_name() + ": " + std::string(published->publisher)};
}

ShapeMap shapes_of(const FloatWeights& weights) {
  ShapeMap shapes;
  for (const auto& [name, tensor] : weights) shapes[name] = tensor.shape;
  return shapes;
}

FloatWeights rename_and_convert(const Weights& file) {
  std::vector<std::string> names;
  for (const Tensor& tensor : file.tensors) names.push_back(tensor.name);
  const Renaming renaming = find_renaming(names);
  FloatWeights weights;
  for (const Tensor& tensor : file.tensors)
    if (const std::string name = renaming.apply(tensor.name); !name.empty())
      weights[name] = {tensor.shape, to_floats(tensor)};
  return weights;
}

Status check_values(const FloatWeights& weights) {
  for (const auto& [name, tensor] : weights)
    for (const float value : tensor.values) {
      if (!std::isfinite(value))
        return Error{ErrorCode::Incompatible, "tensor '" + name + "' holds a value that is not finite",
                     "train again, or pass --allow-non-finite"};
      if (value < 0 && name.ends_with(".running_var"))
        return Error{ErrorCode::Incompatible, "tensor '" + name + "' holds a negative variance",
                     "train again, or pass --allow-non-finite"};
    }
  return Status::success();
}

Status check_labels(const ModelCard& card, const FloatWeights& weights) {
  if (card.labels.empty() || static_cast<int64_t>(card.labels.size()) == card.num_classes) return Status::success();
  const auto head = weights.contains("fc.weight") ? weights.find("fc.weight") : weights.find("linear.weight");
  return Error{ErrorCode::Incompatible,
               head->first + " is " + shape_text(head->second.shape) + ", there are " +
                   std::to_string(card.labels.size()) + " labels",
               "pass --labels-file with " + std::to_string(card.num_classes) + " lines"};
}

// The card that save_model() lays beside a .pth; none: there is no such file.
std::optional<Result<ModelCard>> card_beside(const std::string& path) {
  const std::string beside = path + ".json";
  const Result<std::shared_ptr<const MappedFile>> file = MappedFile::open(beside);
  if (!file && file.error().code == ErrorCode::NotFound) return std::nullopt;
  if (!file) return file.error();
  const std::span<const std::byte> bytes = (*file)->bytes();
  Result<ModelCard> card = card_from_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!card) return Error{card.error().code, "'" + beside + "': " + card.error().message, card.error().hint};
  return card;
}

// What the file itself and its neighbours say, before the options.
Result<ModelCard> find_card(const std::string& path, const Weights& file, const std::string& sha256) {
  if (const auto own = file.metadata.find("resnetft"); own != file.metadata.end()) return card_from_json(own->second);
  if (std::optional<Result<ModelCard>> beside = card_beside(path)) return std::move(*beside);
  ModelCard card;
  if (const PublishedFile* published = find_published_by_sha256(sha256)) {
    card.preprocess = preprocess_of(*published);
    card.labels.assign(published->labels().begin(), published->labels().end());
    return card;
  }
  const std::filesystem::path beside = std::filesystem::path(path).parent_path() / "config.json";
  if (std::error_code ignored; std::filesystem::exists(beside, ignored)) {
    Result<ForeignConfig> config = read_foreign_config(beside.string());
    if (!config) return config.error();
    card.preprocess = config->preprocess;
    card.labels = std::move(config->labels);
    return card;
  }
  log(LogLevel::Warning, "weights '" + path +
                             "' say nothing of labels and preprocessing: shortest side 256, crop 224 and ImageNet's "
                             "mean and std are taken");
  return card;
}

bool has_statistics(const FloatWeights& weights) { return weights.contains("bn1.running_mean"); }

// Completes `card` from the options and the tensors, and checks that all three agree.
Status complete_card(ModelCard& card, const FloatWeights& weights, const LoadOptions& options) {
  if (!options.architecture.empty()) card.architecture = options.architecture;
  if (!options.labels.empty()) card.labels = options.labels;
  const bool batch = card.normalization == Normalization::Batch || card.normalization == Normalization::Frozen;
  if (batch && !has_statistics(weights))
    return Error{ErrorCode::Incompatible, "there are no running statistics ('bn1.running_mean')",
                 "use weights of a whole ResNet; layer and group normalisation need a model card that says so"};
  const ShapeMap shapes = shapes_of(weights);
  card.num_classes = classes_of(shapes);
  if (card.architecture.empty()) {
    const Result<Architecture> found = detect_architecture(shapes, card.normalization);
    if (!found) return found.error();
    card.architecture = found->name;
  }
  const Result<Architecture> architecture = find_architecture(card.architecture);
  if (!architecture) return architecture.error();
  if (Status fit = check_fit(shapes, *architecture, card.num_classes, card.normalization); !fit) return fit;
  return check_labels(card, weights);
}

}  // namespace

struct Model::Store {
  LoadOptions options;
  std::shared_ptr<const FloatWeights> kept;  // of a model that no file holds
  std::mutex lock;
  std::weak_ptr<const FloatWeights> shared;   // of a model that can be read again
  std::shared_ptr<const FloatWeights> first;  // what loading read, until somebody takes it
};

Model::Model() : store_(std::make_unique<Store>()) {}
Model::~Model() = default;

struct ModelReader {
  static Result<std::shared_ptr<const Model>> load(const std::string& path, const LoadOptions& options) {
    Result<std::shared_ptr<const MappedFile>> file = MappedFile::open(path);
    if (!file) return not_found(path, file.error());
    Result<Weights> parsed = parse_weights((*file)->bytes(), path);
    if (!parsed) return parsed.error();
    const std::shared_ptr<Model> model(new Model());
    model->sha256_ = sha256_hex((*file)->bytes());
    Result<ModelCard> card = find_card(path, *parsed, model->sha256_);
    if (!card) return about(path, card.error());
    auto weights = std::make_shared<const FloatWeights>(rename_and_convert(*parsed));
    if (Status status = complete_card(*card, *weights, options); !status) return about(path, status.error());
    if (!options.allow_non_finite)
      if (Status status = check_values(*weights); !status) return about(path, status.error());
    model->card_ = std::move(*card);
    model->path_ = path;
    model->store_->options = options;
    model->store_->shared = weights;
    model->store_->first = std::move(weights);
    return std::shared_ptr<const Model>(model);
  }
};

Result<std::shared_ptr<const Model>> Model::create(ModelCard card, FloatWeights weights) {
  if (Status status = complete_card(card, weights, {}); !status) return status.error();
  if (Status status = check_values(weights); !status) return status.error();
  const std::shared_ptr<Model> model(new Model());
  model->card_ = std::move(card);
  model->store_->kept = std::make_shared<const FloatWeights>(std::move(weights));
  model->sha256_ = sha256_of_parts(safetensors_parts(model->card_, *model->store_->kept));
  return std::shared_ptr<const Model>(model);
}

Result<std::shared_ptr<const FloatWeights>> Model::weights() const {
  if (store_->kept) return store_->kept;
  const std::scoped_lock guard(store_->lock);
  const std::shared_ptr<const FloatWeights> first = std::move(store_->first);
  if (std::shared_ptr<const FloatWeights> shared = store_->shared.lock()) return shared;
  const Result<std::shared_ptr<const MappedFile>> file = MappedFile::open(path_);
  if (!file) return file.error();
  if (sha256_hex((*file)->bytes()) != sha256_)
    return Error{ErrorCode::Incompatible, "weights '" + path_ + "' have changed since they were loaded",
                 "load the model again"};
  const Result<Weights> parsed = parse_weights((*file)->bytes(), path_);
  if (!parsed) return parsed.error();
  auto weights = std::make_shared<const FloatWeights>(rename_and_convert(*parsed));
  store_->shared = weights;
  return std::shared_ptr<const FloatWeights>(weights);
}

Result<std::shared_ptr<const Model>> load_model(const std::string& path, const LoadOptions& options) try {
  return ModelReader::load(path, options);
} catch (const std::bad_alloc&) {
  return Error{ErrorCode::OutOfMemory, "weights '" + path + "': memory ran out", "free some memory"};
}

Result<std::vector<std::string>> read_labels_file(const std::string& path) {
  const Result<std::shared_ptr<const MappedFile>> file = MappedFile::open(path);
  if (!file) return file.error();
  const std::span<const std::byte> bytes = (*file)->bytes();
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::vector<std::string> labels;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    labels.emplace_back(line);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  while (!labels.empty() && labels.back().empty()) labels.pop_back();
  if (labels.empty())
    return Error{ErrorCode::CorruptFile, "labels '" + path + "': there are none", "write one label a line"};
  return labels;
}

}  // namespace resnetft
