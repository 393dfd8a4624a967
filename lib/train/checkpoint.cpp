// SPDX-License-Identifier: MIT
#include "train/checkpoint.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "train/run_state_json.h"

namespace resnetft {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStateKey = "resnetft-run";
constexpr int kFormat = 2;
constexpr const char* kConfusion = "best-confusion";  // a tensor: the matrix of a thousand classes is no matter of JSON

std::string file_name(uint64_t step) {
  char name[64];
  std::snprintf(name, sizeof name, "checkpoint-%010llu.safetensors", static_cast<unsigned long long>(step));
  return name;
}

// Numbers of equal width: the order of the names is the order of the steps.
std::vector<fs::path> checkpoints_in(const std::string& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with("checkpoint-") && name.ends_with(".safetensors")) found.push_back(entry->path());
  }
  std::ranges::sort(found);
  return found;
}

void remove_all_but(const std::string& folder, unsigned keep) {
  std::vector<fs::path> found = checkpoints_in(folder);
  std::error_code ignored;
  for (size_t i = 0; i + std::max(1u, keep) < found.size(); ++i) fs::remove(found[i], ignored);
}

Error not_a_checkpoint(const std::string& path, const std::string& reason) {
  return {ErrorCode::CorruptFile, "checkpoint '" + path + "': " + reason,
          "name a checkpoint-*.safetensors that a training run wrote"};
}

std::vector<int64_t> confusion_from(const Weights& tensors) {
  for (const Tensor& tensor : tensors.tensors) {
    if (tensor.name != kConfusion || tensor.dtype != DType::I64) continue;
    std::vector<int64_t> values(tensor.bytes.size() / sizeof(int64_t));
    if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    return values;
  }
  return {};
}

// "lr: 0.1, now 0.2"
std::string difference(std::string_view what, const std::string& then, const std::string& now) {
  return std::string(what).append(": ").append(then).append(", now ").append(now);
}

std::string value_of(const std::vector<std::pair<std::string, std::string>>& options, const std::string& name) {
  for (const auto& [key, value] : options)
    if (key == name) return value;
  return "nothing";
}

std::string joined(const std::vector<std::string>& names) {
  constexpr size_t kShown = 12;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i > 0 ? ", " : "") + names[i];
  return names.size() > kShown ? text + " ... (" + std::to_string(names.size()) + ")" : text;
}

}  // namespace

Status write_checkpoint(const std::string& folder, uint64_t step, unsigned keep, const RunState& state,
                        const RunIdentity& identity, const std::vector<Tensor>& tensors) {
  std::vector<Tensor> all = tensors;
  const std::vector<int64_t>& confusion = state.best_scores.confusion;
  all.push_back(
      {kConfusion, DType::I64, {static_cast<int64_t>(confusion.size())}, std::as_bytes(std::span(confusion))});
  std::ranges::sort(all, {}, &Tensor::name);
  const nlohmann::json json = {
      {"format", kFormat}, {"state", run_state_to_json(state)}, {"identity", run_identity_to_json(identity)}};
  const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const std::string header = safetensors_header(all, {{kStateKey, text}});
  std::vector<std::span<const std::byte>> parts = {std::as_bytes(std::span(header))};
  for (const Tensor& tensor : all) parts.push_back(tensor.bytes);
  std::error_code ignored;
  fs::create_directories(folder, ignored);
  const Status written = write_file_atomically((fs::path(folder) / file_name(step)).string(), parts);
  if (written) remove_all_but(folder, keep);
  return written;
}

Result<Checkpoint> read_checkpoint(const std::string& path) try {
  Result<Weights> weights = read_weights(path);
  if (!weights) return weights.error();
  const auto found = weights->metadata.find(kStateKey);
  if (found == weights->metadata.end()) return not_a_checkpoint(path, "it holds a model, not a run");
  const nlohmann::json json = nlohmann::json::parse(found->second);
  if (json.at("format").get<int>() != kFormat)
    return not_a_checkpoint(path, "it is of format " + json.at("format").dump() + ", this version writes format " +
                                      std::to_string(kFormat));
  Checkpoint checkpoint{run_state_from_json(json.at("state")), run_identity_from_json(json.at("identity")), {}};
  checkpoint.state.best_scores.confusion = confusion_from(*weights);
  checkpoint.tensors = std::move(*weights);
  return checkpoint;
} catch (const nlohmann::json::exception& error) {
  return not_a_checkpoint(path, error.what());
} catch (const std::bad_alloc&) {
  return Error{ErrorCode::OutOfMemory, "checkpoint '" + path + "': memory ran out", "free some memory"};
}

Result<std::string> latest_checkpoint(const std::string& folder) {
  const std::vector<fs::path> found = checkpoints_in(folder);
  if (!found.empty()) return found.back().string();
  return Error{ErrorCode::NotFound, "there is no checkpoint in '" + folder + "'", "begin without --resume"};
}

Status check_resume(const std::string& path, const RunIdentity& then, const RunIdentity& now) {
  std::vector<std::string> differences;
  for (const auto& [name, value] : now.options) {
    const std::string before = value_of(then.options, name);
    if (changes_result(name) && before != value) differences.push_back(difference(name, before, value));
  }
  if (then.classes != now.classes)
    differences.push_back(difference("classes", joined(then.classes), joined(now.classes)));
  if (then.train_manifest != now.train_manifest)
    differences.push_back(difference("training data", then.train_manifest, now.train_manifest));
  if (then.validation_manifest != now.validation_manifest)
    differences.push_back(difference("validation data", then.validation_manifest, now.validation_manifest));
  if (then.model != now.model) differences.push_back(difference("model", then.model, now.model));
  if (differences.empty()) return Status::success();
  std::string text = "checkpoint '" + path + "' belongs to another run";
  for (size_t i = 0; i < differences.size(); ++i) text.append(i == 0 ? ": " : "; ").append(differences[i]);
  return Error{ErrorCode::Incompatible, text, "resume with the same data and options, or begin without --resume"};
}

std::string machine_difference(const RunIdentity& then, const RunIdentity& now) {
  std::string text;
  for (const auto& [name, value] : now.machine) {
    const std::string before = value_of(then.machine, name);
    if (before != value) text.append(text.empty() ? "" : "; ").append(difference(name, before, value));
  }
  return text;
}

}  // namespace resnetft
