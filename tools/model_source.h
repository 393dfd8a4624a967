// SPDX-License-Identifier: MIT
// The options that all verbs with a model share, turned into that model and its classifier.
#pragma once

#include <memory>
#include <vector>

#include "command_line.h"
#include "resnetft/classifier.h"
#include "resnetft/model.h"

namespace resnetft::tool {

// --model-file --labels-file --arch --allow-non-finite
std::vector<Option> model_options();
// --device --precision --engine --threads --batch-size --resize-mode
std::vector<Option> classifier_options();

// The rows of both, then those of `more`.
std::vector<Option> joined(std::initializer_list<std::vector<Option>> lists);

// What --arch, --labels-file and --allow-non-finite say. The errors of read_labels_file().
Result<LoadOptions> load_options(const CommandLine& line);

// InvalidArgument where no --model-file is given, or the errors of load_model().
Result<std::shared_ptr<const Model>> open_model(const CommandLine& line);

// The errors of Classifier::create().
Result<std::unique_ptr<Classifier>> open_classifier(std::shared_ptr<const Model> model, const CommandLine& line);

// The same weights under another card. The errors of Model::weights() and Model::create().
Result<std::shared_ptr<const Model>> with_card(const Model& model, ModelCard card);

// InvalidArgument where save_model() does not know the ending of `path`: said before the work, not after it.
Status check_model_target(const std::string& path);

// --workers, or as many as the process may use.
unsigned worker_count(const CommandLine& line);

}  // namespace resnetft::tool
