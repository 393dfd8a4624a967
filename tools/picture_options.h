// SPDX-License-Identifier: MIT
// The options that say how a model wants its pictures; convert and train share them.
#pragma once

#include "command_line.h"
#include "resnetft/preprocess.h"

namespace resnetft::tool {

struct Size {
  int width;
  int height;
};

// "N" or "WIDTHxHEIGHT", 1 to 32768 a side; InvalidArgument names the option.
Result<Size> parse_size(const CommandLine& line, std::string_view option);

// --input-size keeps the share of the picture that the crop keeps: 256 and 224 become 366 and 320.
void scale_to(PreprocessSpec& spec, Size size);

// What --resize-mode, --interpolation, --mean and --std say. InvalidArgument, also where `spec` itself cannot be.
Status change_filter_and_colour(const CommandLine& line, PreprocessSpec& spec);

}  // namespace resnetft::tool
