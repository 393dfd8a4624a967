// SPDX-License-Identifier: MIT
#include "train/torch/start.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "data/augmentation.h"
#include "model/normalization.h"
#include "model/torch/resnet_weights.h"

namespace resnetft {
namespace {

constexpr uint32_t kHeadStream = 3;

Normalization wanted_normalization(const TrainSpec& spec) {
  switch (spec.recipe.norm) {
    case NormChoice::Batch:
      return Normalization::Batch;
    case NormChoice::Frozen:
      return Normalization::Frozen;
    case NormChoice::Layer:
      return Normalization::Layer;
    case NormChoice::Group:
      return Normalization::Group;
    case NormChoice::Keep:
      break;
  }
  return spec.card.normalization;
}

// Which class of the base each label takes its row from.
std::vector<std::optional<size_t>> rows_for(const ModelCard& card, const ModelCard& base) {
  std::vector<std::optional<size_t>> rows(static_cast<size_t>(card.num_classes));
  const bool by_position = base.labels.empty() && base.num_classes == card.num_classes;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (by_position || (card.labels.empty() && base.num_classes == card.num_classes)) {
      rows[i] = i;
    } else if (i < card.labels.size()) {
      const auto found = std::ranges::find(base.labels, card.labels[i]);
      if (found != base.labels.end()) rows[i] = static_cast<size_t>(found - base.labels.begin());
    }
  }
  return rows;
}

FloatTensor new_head(const FloatTensor& base, const std::vector<std::optional<size_t>>& rows, size_t features,
                     size_t width, uint64_t seed) {
  FloatTensor head{base.shape, std::vector<float>(rows.size() * width)};
  head.shape[0] = static_cast<int64_t>(rows.size());
  const double bound = 1 / std::sqrt(static_cast<double>(features));
  for (size_t i = 0; i < rows.size(); ++i) {
    float* row = head.values.data() + i * width;
    if (rows[i]) {
      std::copy_n(base.values.data() + *rows[i] * width, width, row);
      continue;
    }
    CounterRandom random(seed, kHeadStream, width == 1, static_cast<uint32_t>(i));
    for (size_t k = 0; k < width; ++k) row[k] = static_cast<float>(random.uniform(-bound, bound));
  }
  return head;
}

// Gives `weights` a head for the labels of the card; returns how many of its rows come from the base.
size_t fit_head(FloatWeights& weights, const std::string& head, const ModelCard& card, const ModelCard& base,
                uint64_t seed) {
  const std::vector<std::optional<size_t>> rows = rows_for(card, base);
  const size_t features = static_cast<size_t>(weights.at(head + ".weight").shape.at(1));
  for (const char* part : {".weight", ".bias"}) {
    FloatTensor& tensor = weights.at(head + part);
    tensor = new_head(tensor, rows, features, tensor.shape.size() > 1 ? features : 1, seed);
  }
  return static_cast<size_t>(std::ranges::count_if(rows, [](const auto& row) { return row.has_value(); }));
}

Result<StartingNet> from_base(const TrainSpec& spec, StartingNet start,
                              const std::function<void(const std::string&)>& note) {
  const ModelCard& base = spec.base->card();
  if (base.architecture != start.card.architecture)
    return Error{ErrorCode::Incompatible,
                 "the base model is a " + base.architecture + ", " + start.card.architecture + " was asked for",
                 "leave --arch out, or name a base of that architecture"};
  const Result<std::shared_ptr<const FloatWeights>> weights = spec.base->weights();
  if (!weights) return weights.error();
  Result<FloatWeights> fitting = convert_normalization(**weights, base.normalization, start.card.normalization);
  if (!fitting) return fitting.error();
  const size_t kept = fit_head(*fitting, start.net->head_name(), start.card, base, spec.recipe.seed);
  const size_t classes = static_cast<size_t>(start.card.num_classes);
  start.has_head = kept == classes;
  if (!start.has_head)
    note("head: " + std::to_string(kept) + " of " + std::to_string(classes) +
         " classes are known to the base, the others begin at random");
  const Status loaded = load_weights(*start.net, *fitting);
  if (!loaded) return loaded.error();
  return start;
}

}  // namespace

Result<StartingNet> start_net(const TrainSpec& spec, const std::function<void(const std::string&)>& note) {
  const Result<Architecture> architecture = find_architecture(spec.card.architecture);
  if (!architecture) return architecture.error();
  StartingNet start;
  start.card = spec.card;
  start.card.normalization = wanted_normalization(spec);
  start.card.num_classes = static_cast<int64_t>(spec.train->classes().size());
  start.net = std::make_shared<ResNet>(*architecture, start.card.num_classes, start.card.normalization);
  if (spec.base) return from_base(spec, std::move(start), note);
  start.net->draw_initial_weights(at::detail::createCPUGenerator(spec.recipe.seed));
  return start;
}

Status adapt_statistics(ResNet& net, BatchSource& source, size_t images) {
  const c10::InferenceMode inference;
  size_t seen = 0;
  while (seen < images) {
    const Result<std::optional<TrainBatch>> batch = source.next();
    if (!batch) return batch.error();
    if (!*batch) break;
    const size_t count = static_cast<size_t>((*batch)->class_ids.size(0));
    if (count == 0 || (count == 1 && seen > 0)) continue;
    seen += count;
    net.estimate_statistics(static_cast<double>(count) / static_cast<double>(seen));
    net.features((*batch)->input);
    source.prefetch();
  }
  net.estimate_statistics(0);
  return Status::success();
}

}  // namespace resnetft
