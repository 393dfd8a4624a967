// SPDX-License-Identifier: MIT
#include "live/linear_head.h"

#include <algorithm>
#include <cmath>

#include "base/hash.h"

namespace resnetft {
namespace {

bool is_head(std::string_view name) { return name.starts_with("fc.") || name.starts_with("linear."); }

// "fc" or "linear"; empty: the model has none.
std::string head_name(const FloatWeights& weights) {
  for (const std::string name : {"fc", "linear"})
    if (weights.contains(name + ".weight") && weights.contains(name + ".bias")) return name;
  return "";
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

std::vector<float> LinearHead::logits(std::span<const float> feature) const {
  std::vector<float> sums(bias);
  for (size_t i = 0; i < sums.size(); ++i) {
    const std::span<const float> weights = row(i);
    double sum = bias[i];
    for (size_t j = 0; j < features; ++j) sum += double{weights[j]} * feature[j];
    sums[i] = static_cast<float>(sum);
  }
  return sums;
}

std::optional<size_t> LinearHead::find(std::string_view label) const {
  const auto found = std::ranges::find(labels, label);
  if (found == labels.end()) return {};
  return static_cast<size_t>(found - labels.begin());
}

bool LinearHead::is_finite() const {
  const auto finite = [](float value) { return std::isfinite(value); };
  return std::ranges::all_of(weight, finite) && std::ranges::all_of(bias, finite);
}

Result<LinearHead> head_of(const Model& model) {
  const Result<std::shared_ptr<const FloatWeights>> weights = model.weights();
  if (!weights) return weights.error();
  const std::string name = head_name(**weights);
  if (name.empty())
    return Error{ErrorCode::Incompatible, "model '" + model.path() + "' has no head", "use a model that classifies"};
  LinearHead head;
  for (int64_t i = 0; i < model.card().num_classes; ++i) head.labels.push_back(label_of(model.card(), i));
  head.weight = (*weights)->at(name + ".weight").values;
  head.bias = (*weights)->at(name + ".bias").values;
  head.features = head.weight.size() / std::max<size_t>(1, head.labels.size());
  return head;
}

Result<std::shared_ptr<const Model>> with_head(const Model& base, const LinearHead& head, double temperature,
                                               std::string provenance_json) {
  const Result<std::shared_ptr<const FloatWeights>> old = base.weights();
  if (!old) return old.error();
  FloatWeights weights = **old;
  const std::string name = head_name(weights);
  const int64_t classes = static_cast<int64_t>(head.labels.size());
  weights[name + ".weight"] = {{classes, static_cast<int64_t>(head.features)}, head.weight};
  weights[name + ".bias"] = {{classes}, head.bias};
  ModelCard card = base.card();
  card.labels = head.labels;
  card.num_classes = classes;
  card.temperature = temperature;
  card.provenance_json = std::move(provenance_json);
  return Model::create(std::move(card), std::move(weights));
}

Result<std::string> feature_origin(const Model& model, std::string_view precision) {
  const Result<std::shared_ptr<const FloatWeights>> weights = model.weights();
  if (!weights) return weights.error();
  // The card's JSON with what belongs to the head taken out.
  ModelCard card = model.card();
  card.labels.clear();
  card.num_classes = 0;
  card.temperature = 1;
  card.provenance_json = "{}";
  const std::string what = card_to_json(card) + "\n" + std::string(precision) + "\n";
  std::vector<std::span<const std::byte>> parts = {bytes_of(what)};
  for (const auto& [name, tensor] : **weights) {
    if (is_head(name)) continue;
    parts.push_back(bytes_of(name));
    parts.push_back(std::as_bytes(std::span(tensor.values)));
  }
  return sha256_hex(parts);
}

}  // namespace resnetft
