// SPDX-License-Identifier: MIT
// A trained network as a value: its card and its weights, ready for any engine.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "resnetft/error.h"
#include "resnetft/preprocess.h"

namespace resnetft {

// Batch: as published. Frozen: batch statistics that training never touches. Layer: GroupNorm of one group. Group:
// GroupNorm with the largest divisor of C up to 32 that leaves at least 4 channels a group.
enum class Normalization { Batch, Frozen, Layer, Group };

// What travels with the weights, always. JSON under the key `resnetft` in the safetensors metadata.
struct ModelCard {
  std::string architecture;
  int64_t num_classes = 0;
  std::vector<std::string> labels;  // one for each class, or none where nobody knows them
  Normalization normalization = Normalization::Batch;
  PreprocessSpec preprocess;
  double temperature = 1.0;            // logits are divided by it before the softmax (Guo et al. 2017)
  std::string provenance_json = "{}";  // an object: parent, manifest, recipe, metrics, seed
};

std::string card_to_json(const ModelCard& card);
// CorruptFile names the field that is missing or of another kind.
Result<ModelCard> card_from_json(std::string_view json);

// The label of a class, or its number as text where the card has no labels.
std::string label_of(const ModelCard& card, int64_t class_id);

// Row-major float32, named as in torchvision ("layer1.0.conv1.weight"; the head is "fc", in the CIFAR family
// "linear"), running statistics among them.
struct FloatTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;
};
using FloatWeights = std::map<std::string, FloatTensor, std::less<>>;

// Immutable, so thread-safe.
class Model {
 public:
  // In memory: for a model that no file holds (yet). Incompatible where a tensor is missing, of another shape than the
  // card's architecture and class count say, or not finite; names the tensor and both shapes.
  static Result<std::shared_ptr<const Model>> create(ModelCard card, FloatWeights weights);

  const ModelCard& card() const { return card_; }
  // Of the file that it came from, or of its safetensors form: 64 hexadecimal digits.
  const std::string& sha256() const { return sha256_; }
  const std::string& path() const { return path_; }  // empty: in memory

  // The weights, shared while anybody holds them. A model from a file drops them with their last holder and reads them
  // again when somebody asks; Incompatible where the file has changed since.
  Result<std::shared_ptr<const FloatWeights>> weights() const;

  ~Model();

 private:
  friend struct ModelReader;
  struct Store;
  Model();
  ModelCard card_;
  std::string sha256_;
  std::string path_;
  std::unique_ptr<Store> store_;
};

// What overrides or completes a file. Empty, none: as the file says.
struct LoadOptions {
  std::string architecture = {};         // for files that don't say and whose tensors fit several
  std::vector<std::string> labels = {};  // in the order of the classes
  bool allow_non_finite = false;
};

// Reads safetensors, PyTorch zip checkpoints (.pth, .pt) and legacy pickles (.th); never runs code from a file.
// NotFound (for a well-known file name, with where its publisher offers it), Io, CorruptFile, Incompatible (names the
// tensor, both shapes, both counts, and the option that mends it).
Result<std::shared_ptr<const Model>> load_model(const std::string& path, const LoadOptions& options = {});

// Writes by the path's ending: .safetensors, or .pth for Python's torch.load(weights_only=True) and torchvision's
// load_state_dict(strict=True); both have the card inside. InvalidArgument for other endings; Io with the path, and the
// file that was there is untouched.
Status save_model(const Model& model, const std::string& path);

// One label a line, UTF-8, blank lines at the end ignored. NotFound, Io, CorruptFile.
Result<std::vector<std::string>> read_labels_file(const std::string& path);

}  // namespace resnetft
