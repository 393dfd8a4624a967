// SPDX-License-Identifier: MIT
#include "live/generation_files.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/atomic_file.h"

namespace resnetft {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kPrefix = "generation-", kEnding = ".safetensors";

// Labels come from events: they need not be UTF-8.
std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::optional<uint64_t> number_of(const std::string& name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kEnding)) return {};
  const char* const begin = name.data() + kPrefix.size();
  const char* const end = name.data() + name.size() - kEnding.size();
  uint64_t number = 0;
  const auto [stopped, error] = std::from_chars(begin, end, number);
  if (error != std::errc() || stopped != end) return {};
  return number;
}

Json scores_json(const GateScores& scores) {
  return {{"top1", scores.top1}, {"macro-f1", scores.macro_f1}, {"loss", scores.loss}};
}

Json metrics_json(const GateOutcome& outcome) {
  return {{"verdict", gate_verdict_name(outcome.verdict)},
          {"reason", outcome.reason},
          {"samples", outcome.samples},
          {"candidate", scores_json(outcome.candidate)},
          {"incumbent", scores_json(outcome.incumbent)},
          {"blocks", {outcome.blocks_won, outcome.blocks_lost, outcome.blocks_tied}},
          {"p-value", outcome.p_value},
          {"rehearsal", {outcome.rehearsal_candidate, outcome.rehearsal_incumbent, outcome.rehearsal_samples}}};
}

std::string text_field(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::string origin_to_json(const Origin& origin) {
  Json json;
  json["parent"] = origin.parent_sha256;
  json["base"] = origin.base_sha256;
  json["manifest"] = origin.manifest;
  json["candidate"] = origin.candidate;
  json["samples"] = {{"training", origin.train_samples}, {"holdout", origin.holdout_samples}};
  if (origin.recipe)
    for (const auto& [name, value] : recipe_to_options(*origin.recipe)) json["recipe"][name] = value;
  if (origin.outcome) json["metrics"] = metrics_json(*origin.outcome);
  json["seed"] = origin.seed;
  return text_of(json);
}

Ancestry ancestry_of(const ModelCard& card) {
  const Json json = Json::parse(card.provenance_json, nullptr, false);
  if (!json.is_object()) return {};
  return {text_field(json, "parent"), text_field(json, "base"), text_field(json, "manifest"),
          text_field(json, "candidate")};
}

std::string parent_for_next(const Model& base) {
  const Ancestry ancestry = ancestry_of(base.card());
  return ancestry.candidate == kInstantHead ? ancestry.parent_sha256 : base.sha256();
}

std::string base_of_line(const Model& model) {
  const Ancestry ancestry = ancestry_of(model.card());
  return ancestry.candidate.empty() ? model.sha256() : ancestry.base_sha256;
}

GenerationFiles::GenerationFiles(std::string folder, const Note& note) : folder_(std::move(folder)) {
  if (writes()) read_refused(note);
}

void GenerationFiles::read_refused(const Note& note) {
  std::ifstream stream(refused_file(), std::ios::binary);
  if (!stream) return;
  const Json json = Json::parse(std::string(std::istreambuf_iterator<char>(stream), {}), nullptr, false);
  if (!json.is_array()) {
    std::string sentence = "what was rolled back may come back: this file is damaged: ";
    note(sentence.append(refused_file()));
    return;
  }
  for (const Json& entry : json) {
    if (!entry.is_object()) continue;
    refused_models_.insert(text_field(entry, "sha256"));
    refused_manifests_.insert(text_field(entry, "manifest"));
  }
}

Status GenerationFiles::refuse(const std::string& sha256, const std::string& manifest) {
  refused_models_.insert(sha256);
  if (!manifest.empty()) refused_manifests_.insert(manifest);
  if (!writes()) return Status::success();
  // A list of pairs would say the same; two sets are what is asked.
  Json json = Json::array();
  for (const std::string& model : refused_models_) json.push_back({{"sha256", model}});
  for (const std::string& each : refused_manifests_) json.push_back({{"manifest", each}});
  std::error_code ignored;
  std::filesystem::create_directories(folder_, ignored);
  return write_file_atomically(refused_file(), json.dump(2) + "\n");
}

std::vector<std::pair<uint64_t, std::string>> GenerationFiles::files() const {
  std::vector<std::pair<uint64_t, std::string>> list;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder_, error), end; !error && entry != end; entry.increment(error))
    if (const std::optional<uint64_t> number = number_of(entry->path().filename().string()))
      list.emplace_back(*number, entry->path().string());
  std::ranges::sort(list);
  return list;
}

std::shared_ptr<const Model> GenerationFiles::newest_good(const Note& note) const {
  if (!writes()) return nullptr;
  const auto list = files();
  for (auto file = list.rbegin(); file != list.rend(); ++file) {
    const Result<std::shared_ptr<const Model>> model = load_model(file->second);
    if (!model) {
      std::string sentence = "a generation is left out: ";
      note(sentence.append(to_string(model.error())));
      continue;
    }
    if (!refused_models_.contains((*model)->sha256())) return *model;
  }
  return nullptr;
}

Result<std::string> GenerationFiles::write(const Model& model) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error)
    return Error{ErrorCode::Io, "cannot make the folder '" + folder_ + "': " + error.message(),
                 "name another checkpoint-dir"};
  const auto list = files();
  std::string path = folder_ + "/" + std::string(kPrefix);
  path.append(std::to_string(list.empty() ? 1 : list.back().first + 1)).append(kEnding);
  if (const Status saved = save_model(model, path); !saved) return saved.error();
  return path;
}

void GenerationFiles::remove(const std::string& path) const {
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
}

}  // namespace resnetft
