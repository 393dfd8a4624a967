// SPDX-License-Identifier: MIT
// ft-tool train's options, and what a run is made of once they are all known.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "command_line.h"
#include "data/split.h"
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
  std::vector<std::string> decisions;  // sentences for people
  std::vector<std::pair<std::string, std::string>> arguments;
};
// Opens data and base. The errors of open_data() and load_model(); InvalidArgument, DeviceUnavailable.
Result<TrainPlan> plan_training(const CommandLine& line);

// What training found out: `plan` holds numbers where it said auto.
void take_recipe(TrainPlan& plan, const Recipe& recipe, const std::string& why);

// args.ini of these arguments.
std::string config_text(const std::vector<std::pair<std::string, std::string>>& arguments);

}  // namespace resnetft::tool
