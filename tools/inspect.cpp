// SPDX-License-Identifier: MIT
// ft-tool inspect: what a weight file holds, and whether it is sound.
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>

#include "base/hash.h"
#include "base/mapped_file.h"
#include "json_text.h"
#include "model/architecture.h"
#include "model/model_card.h"
#include "model/normalization.h"
#include "model/weights.h"
#include "model_source.h"
#include "terminal.h"
#include "tool_options.h"
#include "verbs.h"

namespace resnetft::tool {
namespace {

struct Check {
  std::string name;
  bool ok;
  std::string detail;
};

// The first value that `is_bad` finds, as "TENSOR[INDEX] is VALUE"; empty: none.
template <class IsBad>
std::string first_bad(const FloatWeights& weights, IsBad is_bad) {
  for (const auto& [name, tensor] : weights)
    for (size_t i = 0; i < tensor.values.size(); ++i)
      if (is_bad(name, tensor.values[i]))
        return name + "[" + std::to_string(i) + "] is " + std::to_string(tensor.values[i]);
  return "";
}

Check check_of(std::string name, const std::string& bad, std::string_view good) {
  return {std::move(name), bad.empty(), bad.empty() ? std::string(good) : bad};
}

std::vector<Check> run_checks(const ModelCard& card, const FloatWeights& weights) {
  const std::string infinite =
      first_bad(weights, [](const std::string&, float value) { return !std::isfinite(value); });
  const std::string negative = first_bad(
      weights, [](const std::string& name, float value) { return name.ends_with(".running_var") && !(value > 0); });
  const std::string classes = std::to_string(card.num_classes) + " classes, ";
  return {check_of("finite", infinite, "every value is finite"),
          check_of("variances-positive", negative, "every running variance is positive"),
          {"head-fits-labels", true,
           classes + (card.labels.empty() ? "no labels" : std::to_string(card.labels.size()) + " labels")}};
}

// What load_model() refuses as Incompatible is the answer of a check, not the end of the inspection.
std::vector<Check> failed_to_fit(const Error& error) { return {{"head-fits-labels", false, to_string(error)}}; }

std::string size_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t side : shape) text.append(text.empty() ? "" : "x").append(std::to_string(side));
  return text.empty() ? "scalar" : text;
}

OrderedJson checks_json(const std::vector<Check>& checks) {
  OrderedJson list = OrderedJson::array();
  for (const Check& check : checks) list.push_back({{"name", check.name}, {"ok", check.ok}, {"detail", check.detail}});
  return list;
}

OrderedJson tensors_json(const Weights& weights) {
  OrderedJson list = OrderedJson::array();
  for (const Tensor& tensor : weights.tensors)
    list.push_back({{"name", tensor.name},
                    {"shape", tensor.shape},
                    {"dtype", dtype_name(tensor.dtype)},
                    {"sha256", sha256_hex(tensor.bytes)}});
  return list;
}

// SHA-256 -> path of the safetensors files in a folder; those that cannot be read are none.
std::map<std::string, std::string> files_by_hash(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() != ".safetensors") continue;
    const Result<std::shared_ptr<const MappedFile>> file = MappedFile::open(entry->path().string());
    if (file) files.emplace(sha256_hex((*file)->bytes()), entry->path().string());
  }
  return files;
}

// What the card's provenance names as its parent; empty: nothing.
std::string parent_of(const ModelCard& card) {
  const OrderedJson json = OrderedJson::parse(card.provenance_json, nullptr, false);
  if (!json.is_object()) return "";
  const auto parent = json.find("parent");
  return parent != json.end() && parent->is_string() ? parent->get<std::string>() : "";
}

// Parent, its parent and so on, as far as the files lie in the same folder; the last one may have no file.
OrderedJson ancestors_json(const Model& model, const std::string& path) {
  OrderedJson line = OrderedJson::array();
  std::string parent = parent_of(model.card());
  if (parent.empty()) return line;
  std::map<std::string, std::string> files = files_by_hash(std::filesystem::absolute(path).parent_path());
  while (!parent.empty()) {
    const auto file = files.extract(parent);  // taken out, so that no circle is walked twice
    const std::string name = file ? std::filesystem::path(file.mapped()).filename().string() : "";
    line.push_back({{"sha256", parent}, {"file", file ? OrderedJson(name) : OrderedJson()}});
    if (!file) break;
    const Result<std::shared_ptr<const Model>> ancestor = load_model(file.mapped());
    parent = ancestor ? parent_of((*ancestor)->card()) : "";
  }
  return line;
}

OrderedJson model_json(const Model& model, const Weights& file) {
  const ModelCard& card = model.card();
  OrderedJson json;
  json["format"] = file.format;
  json["arch"] = card.architecture;
  json["num-classes"] = card.num_classes;
  json["labels"] = card.labels;
  const Result<Architecture> architecture = find_architecture(card.architecture);
  json["parameters"] = architecture ? parameter_count(*architecture, card.num_classes) : 0;
  json["normalization"] = normalization_name(card.normalization);
  json["preprocess"] = preprocess_to_json(card.preprocess);
  json["sha256"] = model.sha256();
  const auto own = file.metadata.find("resnetft");
  json["card"] = own == file.metadata.end() ? OrderedJson() : OrderedJson::parse(own->second, nullptr, false);
  return json;
}

// A line for each member; lists and objects as JSON.
std::string to_text(const OrderedJson& json, const Weights& file, bool tensors, const std::vector<Check>& checks) {
  std::string text;
  for (const auto& [name, value] : json.items()) {
    std::string padded = name;
    padded.resize(16, ' ');
    text += padded + (value.is_string() ? value.get<std::string>() : json_text(value)) + "\n";
  }
  if (tensors)
    for (const Tensor& tensor : file.tensors)
      text += tensor.name + "  " + size_text(tensor.shape) + "  " + std::string(dtype_name(tensor.dtype)) + "  " +
              sha256_hex(tensor.bytes).substr(0, 16) + "\n";
  for (const Check& check : checks)
    text += std::string(check.ok ? "ok      " : "FAILED  ") + check.name + ": " + check.detail + "\n";
  return text;
}

Result<std::string> file_argument(const CommandLine& line) {
  std::vector<std::string> files = line.arguments();
  if (line.given("model-file")) files.push_back(line.text("model-file"));
  if (files.size() == 1) return files.front();
  return Error{ErrorCode::InvalidArgument,
               files.empty() ? "no weight file is named" : "more than one weight file is named", "name one FILE"};
}

Result<int> run(const CommandLine& line) {
  const Result<std::string> path = file_argument(line);
  if (!path) return path.error();
  Result<LoadOptions> options = load_options(line);
  if (!options) return options.error();
  const bool check = line.flag("check");
  options->allow_non_finite |= check;  // the check says more
  const Result<std::shared_ptr<const Model>> model = load_model(*path, *options);
  if (!model && !(check && model.error().code == ErrorCode::Incompatible)) return model.error();
  const Result<Weights> file = read_weights(*path);
  if (!file) return file.error();

  OrderedJson json;
  std::vector<Check> checks;
  if (model) {
    json = model_json(**model, *file);
    if (OrderedJson ancestors = ancestors_json(**model, *path); !ancestors.empty()) json["ancestors"] = ancestors;
    const Result<std::shared_ptr<const FloatWeights>> weights = (*model)->weights();
    if (!weights) return weights.error();
    if (check) checks = run_checks((*model)->card(), **weights);
  } else {
    json["format"] = file->format;
    checks = failed_to_fit(model.error());
  }
  const std::string text = to_text(json, *file, line.flag("tensors"), checks);
  if (line.flag("tensors")) json["tensors"] = tensors_json(*file);
  if (check) json["checks"] = checks_json(checks);
  if (Status status = write_out(line.flag("json") ? json_text(json) + "\n" : text); !status) return status.error();
  for (const Check& each : checks)
    if (!each.ok) return 1;
  return 0;
}

}  // namespace

Verb inspect_verb() {
  return {"inspect",
          "FILE",
          "Shows what a weight file holds, and checks it",
          "  ft-tool inspect resnet50-0676ba61.pth --tensors\n"
          "  ft-tool inspect birds.safetensors --check",
          joined({model_options(), option_rows({"tensors", "check", "json", "verbose"})}),
          run};
}

}  // namespace resnetft::tool
