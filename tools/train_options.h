// SPDX-License-Identifier: MIT
// ft-tool train's options, and what a run is made of once they are all known.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "command_line.h"
#include "data/split.h"
#include "picture_options.h"
#include "train/run_folder.h"
#include "train/trainer.h"

namespace resnetft::tool {

std::vector<Option> train_options();
std::vector<OptionGroup> train_option_groups();
std::span<const OptionAlias> train_option_aliases();
// A recipe's options take torchvision's spellings of values too.
Status check_train_option(const Option& option, const std::string& value);

// `line` completed by --config, or, where a run goes on, by the args.ini that it left. NotFound, CorruptFile,
// InvalidArgument with the file and the option.
Result<CommandLine> with_config(const CommandLine& line);

// The checkpoint to go on from, empty: none. NotFound where one is named that is not there.
Result<std::string> checkpoint_to_resume(const CommandLine& line);

struct TrainPlan {
  std::shared_ptr<const Model> base;  // or none
  ModelCard card;
  Recipe recipe;  // resolved
  Device device;
  DataSplit data;
  std::set<std::string> corrupt;       // names of pictures that the split could not decode; each was named
  std::vector<std::string> decisions;  // sentences for people
  std::vector<std::pair<std::string, std::string>> arguments;
};
// The options of train that say what a net sees, --model-file and --arch among them.
std::vector<Option> input_options();

// The card to begin with, its preprocessing as those options say, and the size that training crops to by itself.
struct PlannedInput {
  ModelCard card;
  Size train_size = {};
};
// The errors of load_model(); InvalidArgument.
Result<PlannedInput> plan_input(const CommandLine& line);

// Opens data and base. The errors of open_data(), load_model() and CorruptLog; InvalidArgument, DeviceUnavailable.
Result<TrainPlan> plan_training(const CommandLine& line);

// What training found out: `plan` holds numbers where it said auto.
void take_recipe(TrainPlan& plan, const Recipe& recipe, const std::string& why);

// args.ini of these arguments.
std::string config_text(const std::vector<std::pair<std::string, std::string>>& arguments);

}  // namespace resnetft::tool
