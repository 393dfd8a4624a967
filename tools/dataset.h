// SPDX-License-Identifier: MIT
// The actions of ft-tool dataset; those that are more than a walk over the pictures have a file of their own.
#pragma once

#include <string>
#include <vector>

#include "command_line.h"
#include "data/visit.h"
#include "terminal.h"

namespace resnetft::tool {

// Draws a sheet of what training sees of the pictures in `folder`, a JPEG.
Result<int> preview_dataset(const CommandLine& line, const std::string& folder);
// The rows of its options: those of training's augmentation.
std::vector<Option> preview_options();

// Frames of a video as JPEGs in OUTPUT/LABEL.
Result<int> dataset_from_video(const CommandLine& line, const std::string& file);

// The pictures of a learner's store in OUTPUT/train/LABEL and OUTPUT/val/LABEL.
Result<int> dataset_from_store(const CommandLine& line, const std::string& folder);

// Moves a bar, and ends a visit after Ctrl-C; borrows the bar.
VisitProgress visit_progress(Progress& progress);

// Cancelled as the tool says it; every other error as it is.
Error visit_error(const Error& error);

// InvalidArgument where --NAME was not given.
Result<std::string> required_text(const CommandLine& line, std::string_view name, std::string_view what);

}  // namespace resnetft::tool
