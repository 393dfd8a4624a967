// SPDX-License-Identifier: MIT
// The last layer of a net as a value: logits = weight * feature + bias.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resnetft/model.h"

namespace resnetft {

struct LinearHead {
  std::vector<std::string> labels;
  size_t features = 0;
  std::vector<float> weight;  // [labels, features]
  std::vector<float> bias;    // [labels]

  std::span<const float> row(size_t label_id) const { return std::span(weight).subspan(label_id * features, features); }
  std::vector<float> logits(std::span<const float> feature) const;
  std::optional<size_t> find(std::string_view label) const;
  bool is_finite() const;
};

// The head of a model (the tensors "fc" or "linear"); label_of() where the card has no labels.
Result<LinearHead> head_of(const Model& model);

// `base` with another head: the trunk's tensors, normalisation and preprocessing stay; labels and class count become
// the head's. Errors as Model::create.
Result<std::shared_ptr<const Model>> with_head(const Model& base, const LinearHead& head, double temperature,
                                               std::string provenance_json);

// SHA-256 over the trunk's tensors, the preprocessing and the precision: features of equal origin may be mixed.
Result<std::string> feature_origin(const Model& model, std::string_view precision);

}  // namespace resnetft
