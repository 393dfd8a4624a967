// SPDX-License-Identifier: MIT
// Loads a model: bytes -> tensors -> names as in torchvision -> architecture, labels, preprocessing -> a checked value.
#include "resnetft/model.h"

#include <cmath>
#include <filesystem>
#include <map>
#include <mutex>
#include <new>

#include "base/hash.h"
#include "base/log.h"
#include "base/mapped_file.h"
#include "model/fit.h"
#include "model/model_card.h"
#include "model/normalization.h"
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

// The file's tensors under torchvision's names.
using NamedTensors = std::map<std::string, const Tensor*>;

Result<NamedTensors> rename_all(const Weights& file) {
  std::vector<std::string> names;
  for (const Tensor& tensor : file.tensors) names.push_back(tensor.name);
  const Result<Renaming> renaming = find_renaming(names);
  if (!renaming) return renaming.error();
  NamedTensors named;
  for (const Tensor& tensor : file.tensors)
    if (const std::string name = renaming->apply(tensor.name); !name.empty()) named[name] = &tensor;
  return named;
}

ShapeMap shapes_of(const NamedTensors& tensors) {
  ShapeMap shapes;
  for (const auto& [name, tensor] : tensors) shapes[name] = tensor->shape;
  return shapes;
}

std::shared_ptr<const FloatWeights> convert_all(const NamedTensors& tensors) {
  auto weights = std::make_shared<FloatWeights>();
  for (const auto& [name, tensor] : tensors) (*weights)[name] = {tensor->shape, to_floats(*tensor)};
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

// A card, and who said what.
struct FoundCard {
  ModelCard card;
  std::string labels_from = "the card";
  bool has_preprocess = true;
};

Status check_labels(const FoundCard& found, const ShapeMap& shapes) {
  const size_t count = found.card.labels.size();
  if (count == 0 || static_cast<int64_t>(count) == found.card.num_classes) return Status::success();
  const auto head = shapes.contains("fc.weight") ? shapes.find("fc.weight") : shapes.find("linear.weight");
  return Error{ErrorCode::Incompatible,
               head->first + " is " + shape_text(head->second) + ", " + found.labels_from + " names " +
                   std::to_string(count) + " labels",
               "pass --labels-file with " + std::to_string(found.card.num_classes) + " lines"};
}

// What the file itself and its neighbours say, before the options.
Result<FoundCard> find_card(const std::string& path, const Weights& file, const std::string& sha256) {
  FoundCard found;
  if (const auto own = file.metadata.find("resnetft"); own != file.metadata.end()) {
    Result<ModelCard> card = card_from_json(own->second);
    if (!card) return card.error();
    found.card = std::move(*card);
    return found;
  }
  if (const PublishedFile* published = find_published_by_sha256(sha256)) {
    found.card.preprocess = preprocess_of(*published);
    found.card.labels.assign(published->labels().begin(), published->labels().end());
    return found;
  }
  found.has_preprocess = false;
  const std::filesystem::path beside = std::filesystem::path(path).parent_path() / "config.json";
  if (std::error_code ignored; !std::filesystem::exists(beside, ignored)) return found;
  Result<ForeignConfig> config = read_foreign_config(beside.string());
  if (!config) return config.error();
  found.labels_from = beside.string();
  found.has_preprocess = config->has_preprocess;
  found.card.preprocess = config->preprocess;
  found.card.labels = std::move(config->labels);
  return found;
}

void warn_of_gaps(const std::string& path, const FoundCard& found) {
  if (!found.has_preprocess)
    log(LogLevel::Warning, "weights '" + path +
                               "' say nothing of preprocessing: shortest side 256, crop 224 and ImageNet's mean and "
                               "std are taken; a config.json beside them or ft-tool convert can say it");
  if (found.card.labels.empty())
    log(LogLevel::Warning,
        "weights '" + path + "' name no labels: classes are called by their numbers; --labels-file gives them names");
}

Status check_statistics(const ModelCard& card, const ShapeMap& shapes) {
  if (!has_running_statistics(card.normalization) || shapes.contains("bn1.running_mean")) return Status::success();
  return Error{ErrorCode::Incompatible, "there are no running statistics ('bn1.running_mean')",
               "use weights of a whole ResNet; layer and group normalisation need a model card that says so"};
}

// The architecture that the card names, or the one that fits. A misfit of a named one says which one would fit.
Result<Architecture> architecture_for(const ModelCard& card, const ShapeMap& shapes) {
  if (card.architecture.empty() || card.num_classes == 0) return detect_architecture(shapes, card.normalization);
  const Result<Architecture> named = find_architecture(card.architecture);
  if (!named) return named.error();
  const Status fit = check_fit(shapes, *named, card.num_classes, card.normalization);
  if (fit) return named;
  const Result<Architecture> fitting = detect_architecture(shapes, card.normalization);
  if (!fitting) return fit.error();
  return Error{ErrorCode::Incompatible, fit.error().message,
               "these are tensors of " + std::string(fitting->name) + "; pass --arch " + std::string(fitting->name)};
}

// Completes the card from the options and the tensors' shapes, and checks that all three agree.
Status complete_card(FoundCard& found, const ShapeMap& shapes, const LoadOptions& options) {
  ModelCard& card = found.card;
  if (!options.architecture.empty()) card.architecture = options.architecture;
  if (!options.labels.empty()) {
    card.labels = options.labels;
    found.labels_from = "the label list";
  }
  if (Status status = check_statistics(card, shapes); !status) return status;
  card.num_classes = classes_of(shapes);
  const Result<Architecture> architecture = architecture_for(card, shapes);
  if (!architecture) return architecture.error();
  card.architecture = architecture->name;
  return check_labels(found, shapes);
}

Status check_sizes(const FloatWeights& weights) {
  for (const auto& [name, tensor] : weights) {
    uint64_t count = 1;
    bool good = true;
    for (const int64_t extent : tensor.shape)
      good = good && extent >= 0 && !__builtin_mul_overflow(count, static_cast<uint64_t>(extent), &count);
    if (!good || count != tensor.values.size())
      return Error{ErrorCode::Incompatible,
                   "tensor '" + name + "' is " + shape_text(tensor.shape) + " and holds " +
                       std::to_string(tensor.values.size()) + " values",
                   "give it as many values as its shape has"};
  }
  return Status::success();
}

Error out_of_memory(const std::string& path) {
  return {ErrorCode::OutOfMemory, "weights '" + path + "': memory ran out", "free some memory"};
}

}  // namespace

struct Model::Store {
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
    const Result<Weights> parsed = parse_weights((*file)->bytes(), path);
    if (!parsed) return parsed.error();
    const Result<NamedTensors> tensors = rename_all(*parsed);
    if (!tensors) return about(path, tensors.error());
    const std::shared_ptr<Model> model(new Model());
    model->sha256_ = sha256_hex((*file)->bytes());
    Result<FoundCard> found = find_card(path, *parsed, model->sha256_);
    if (!found) return about(path, found.error());
    if (Status status = complete_card(*found, shapes_of(*tensors), options); !status)
      return about(path, status.error());
    std::shared_ptr<const FloatWeights> weights = convert_all(*tensors);
    if (Status status = options.allow_non_finite ? Status::success() : check_values(*weights); !status)
      return about(path, status.error());
    warn_of_gaps(path, *found);
    model->card_ = std::move(found->card);
    model->path_ = path;
    model->store_->shared = weights;
    model->store_->first = std::move(weights);
    return std::shared_ptr<const Model>(model);
  }

  static Result<std::shared_ptr<const Model>> create(ModelCard card, FloatWeights weights) {
    FoundCard found{std::move(card)};
    if (Status status = check_sizes(weights); !status) return status.error();
    if (Status status = complete_card(found, shapes_of(weights), {}); !status) return status.error();
    if (Status status = check_values(weights); !status) return status.error();
    const std::shared_ptr<Model> model(new Model());
    model->card_ = std::move(found.card);
    model->store_->kept = std::make_shared<const FloatWeights>(std::move(weights));
    model->sha256_ = sha256_of_parts(safetensors_parts(model->card_, *model->store_->kept));
    return std::shared_ptr<const Model>(model);
  }

  static Result<std::shared_ptr<const FloatWeights>> read_again(const Model& model) {
    const Result<std::shared_ptr<const MappedFile>> file = MappedFile::open(model.path_);
    if (!file) return file.error();
    if (sha256_hex((*file)->bytes()) != model.sha256_)
      return Error{ErrorCode::Incompatible, "weights '" + model.path_ + "' have changed since they were loaded",
                   "load the model again"};
    const Result<Weights> parsed = parse_weights((*file)->bytes(), model.path_);
    if (!parsed) return parsed.error();
    const Result<NamedTensors> tensors = rename_all(*parsed);
    if (!tensors) return about(model.path_, tensors.error());
    return convert_all(*tensors);
  }
};

Result<std::shared_ptr<const Model>> Model::create(ModelCard card, FloatWeights weights) try {
  return ModelReader::create(std::move(card), std::move(weights));
} catch (const std::bad_alloc&) {
  return out_of_memory("in memory");
}

Result<std::shared_ptr<const FloatWeights>> Model::weights() const try {
  if (store_->kept) return store_->kept;
  const std::scoped_lock guard(store_->lock);
  const std::shared_ptr<const FloatWeights> first = std::move(store_->first);
  if (std::shared_ptr<const FloatWeights> shared = store_->shared.lock()) return shared;
  Result<std::shared_ptr<const FloatWeights>> weights = ModelReader::read_again(*this);
  if (weights) store_->shared = *weights;
  return weights;
} catch (const std::bad_alloc&) {
  return out_of_memory(path_);
}

Result<std::shared_ptr<const Model>> load_model(const std::string& path, const LoadOptions& options) try {
  return ModelReader::load(path, options);
} catch (const std::bad_alloc&) {
  return out_of_memory(path);
}

namespace {

std::vector<std::string> lines_of(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

Result<std::vector<std::string>> read_labels(const std::string& path) {
  constexpr size_t kMaxBytes = 16 << 20;
  const Result<std::shared_ptr<const MappedFile>> file = MappedFile::open(path);
  if (!file) return file.error();
  const std::span<const std::byte> bytes = (*file)->bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto corrupt = [&](const std::string& reason) {
    return Error{ErrorCode::CorruptFile, "labels '" + path + "': " + reason, "write one label a line, in UTF-8"};
  };
  if (text.size() > kMaxBytes) return corrupt("it is larger than 16 MiB");
  if (!is_utf8(text)) return corrupt("it is not UTF-8");
  std::vector<std::string> labels = lines_of(text);
  if (labels.empty()) return corrupt("there are none");
  return labels;
}

}  // namespace

Result<std::vector<std::string>> read_labels_file(const std::string& path) try {
  return read_labels(path);
} catch (const std::bad_alloc&) {
  return Error{ErrorCode::OutOfMemory, "labels '" + path + "': memory ran out", "free some memory"};
}

}  // namespace resnetft
