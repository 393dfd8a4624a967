// SPDX-License-Identifier: MIT
#include "model_source.h"

#include "device/thread_budget.h"
#include "tool_options.h"

namespace resnetft::tool {

std::vector<Option> model_options() { return option_rows({"model-file", "labels-file", "arch", "allow-non-finite"}); }

std::vector<Option> classifier_options() {
  return option_rows({"device", "precision", "engine", "threads", "batch-size", "resize-mode"});
}

std::vector<Option> joined(std::initializer_list<std::vector<Option>> lists) {
  std::vector<Option> rows;
  for (const std::vector<Option>& list : lists) rows.insert(rows.end(), list.begin(), list.end());
  return rows;
}

Result<LoadOptions> load_options(const CommandLine& line) {
  LoadOptions options;
  if (line.choice("arch") != 0) options.architecture = line.text("arch");
  options.allow_non_finite = line.flag("allow-non-finite");
  if (!line.given("labels-file")) return options;
  Result<std::vector<std::string>> labels = read_labels_file(line.text("labels-file"));
  if (!labels) return labels.error();
  options.labels = std::move(*labels);
  return options;
}

Result<std::shared_ptr<const Model>> open_model(const CommandLine& line) {
  if (!line.given("model-file"))
    return Error{ErrorCode::InvalidArgument, "no model is named", "pass --model-file FILE"};
  const Result<LoadOptions> options = load_options(line);
  if (!options) return options.error();
  return load_model(line.text("model-file"), *options);
}

Result<std::unique_ptr<Classifier>> open_classifier(std::shared_ptr<const Model> model, const CommandLine& line) {
  ClassifierOptions options{.device = line.text("device"),
                            .precision = line.text("precision"),
                            .engine = line.text("engine"),
                            .threads = static_cast<int>(line.number("threads")),
                            .max_batch = static_cast<int>(line.number("batch-size")),
                            .resize_mode = std::nullopt,
                            .full_batches = true};
  // The row lists auto first, then the modes in the order of the enum.
  if (const int mode = line.choice("resize-mode"); mode > 0) options.resize_mode = static_cast<ResizeMode>(mode - 1);
  return Classifier::create(Snapshot::create(std::move(model)), options);
}

Result<std::shared_ptr<const Model>> with_card(const Model& model, ModelCard card) {
  const Result<std::shared_ptr<const FloatWeights>> weights = model.weights();
  if (!weights) return weights.error();
  return Model::create(std::move(card), FloatWeights(**weights));
}

Status check_model_target(const std::string& path) {
  if (path.ends_with(".safetensors") || path.ends_with(".pth")) return Status::success();
  return Error{ErrorCode::InvalidArgument, "cannot write '" + path + "': unknown ending",
               "let it end in .safetensors or .pth"};
}

unsigned worker_count(const CommandLine& line) {
  const unsigned asked = static_cast<unsigned>(line.number("workers"));
  return asked > 0 ? asked : static_cast<unsigned>(processors_of_process());
}

}  // namespace resnetft::tool
