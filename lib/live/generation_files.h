// SPDX-License-Identifier: MIT
// The folder of generations: generation-N.safetensors, each written whole with where it comes from, and
// rolled-back.json, what must not come back.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "live/gate.h"
#include "resnetft/error.h"
#include "resnetft/model.h"
#include "train/recipe.h"

namespace resnetft {

inline constexpr const char* kInstantHead = "instant-head";

// What a generation's card says of its making.
struct Origin {
  std::string parent_sha256;
  std::string base_sha256;  // what the line began with
  std::string manifest;     // manifest_of() the samples that it learned from
  std::string candidate;    // kInstantHead, "head", "layer4", "all"
  size_t train_samples = 0, holdout_samples = 0;
  std::optional<Recipe> recipe;  // none: an instant head has none
  std::optional<GateOutcome> outcome;
  uint64_t seed = 0;
};
std::string origin_to_json(const Origin& origin);

// What is read back from a card; empty strings where the model does not come from a learner.
struct Ancestry {
  std::string parent_sha256, base_sha256, manifest, candidate;
};
Ancestry ancestry_of(const ModelCard& card);

// What a model made from `base` names as its parent. Not an instant head: those replace one another's file. What made
// the head's features is named instead.
std::string parent_for_next(const Model& base);
// What the line of `model` began with: itself, where no learner made it. Empty: its card does not say.
std::string base_of_line(const Model& model);

// For one thread. Without a folder nothing is written, and what was rolled back is remembered in memory.
class GenerationFiles {
 public:
  using Note = std::function<void(const std::string& sentence)>;
  GenerationFiles(std::string folder, const Note& note);

  bool writes() const { return !folder_.empty(); }
  // The newest that can be loaded and was not rolled back; none: there is none. Damaged ones are noted, and stay.
  std::shared_ptr<const Model> newest_good(const Note& note) const;
  // As the next number; makes the folder. Io: nothing is left of it.
  Result<std::string> write(const Model& model);
  void remove(const std::string& path) const;

  // A generation that was rolled back. Io: remembered in memory all the same.
  Status refuse(const std::string& sha256, const std::string& manifest);
  bool refuses(const std::string& manifest) const { return refused_manifests_.contains(manifest); }

 private:
  std::vector<std::pair<uint64_t, std::string>> files() const;  // by number
  std::string refused_file() const { return folder_ + "/rolled-back.json"; }
  void read_refused(const Note& note);

  std::string folder_;
  std::set<std::string> refused_models_, refused_manifests_;
};

}  // namespace resnetft
