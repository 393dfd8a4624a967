// SPDX-License-Identifier: MIT
#include "tool_options.h"

#include <array>
#include <cstdlib>

namespace resnetft::tool {
namespace {

constexpr std::array kFormats = {
    OptionValue{"text", 0, "a line for people"},
    OptionValue{"jsonl", 1, "a JSON object a line"},
    OptionValue{"csv", 2, "a row for each class named"},
};
constexpr std::array kSubjects = {
    OptionValue{"inference", 0, "the network alone"},
    OptionValue{"preprocess", 1, "from a picture to the network's input"},
    OptionValue{"data", 2, "reading and decoding the pictures of --data"},
};
constexpr std::array kNormalizations = {
    OptionValue{"auto", -1, "as it is"},
    OptionValue{"batch", 0, "batch normalisation, as published"},
    OptionValue{"frozen", 1, "batch statistics that training never touches"},
    OptionValue{"layer", 2, "GroupNorm of one group"},
    OptionValue{"group", 3, "GroupNorm of up to 32 groups"},
};
constexpr std::array kInterpolations = {
    OptionValue{"auto", -1, "as it is"},
    OptionValue{"bilinear", 0, "the triangle filter"},
    OptionValue{"bicubic", 1, "Keys' filter"},
};

constexpr std::array kToolOptions = {
    Option{.name = "json",
           .type = OptionType::Boolean,
           .default_text = "false",
           .help = "One JSON object on the standard output, nothing else there"},
    Option{.name = "verbose",
           .type = OptionType::Boolean,
           .default_text = "false",
           .help = "What the library does, on the standard error"},
    Option{.name = "batch-size",
           .type = OptionType::Uint,
           .default_text = "8",
           .minimum = 1,
           .maximum = 1024,
           .help = "Pictures that the network takes at once"},
    Option{.name = "workers",
           .type = OptionType::Uint,
           .default_text = "0",
           .maximum = 256,
           .help = "Threads that decode pictures; 0: as many as processors"},
    Option{.name = "allow-non-finite",
           .type = OptionType::Boolean,
           .default_text = "false",
           .help = "Takes weights that hold NaN, infinity or a negative variance"},
    Option{.name = "format",
           .type = OptionType::Enum,
           .default_text = "text",
           .values = kFormats,
           .help = "How a result is written"},
    Option{.name = "logits",
           .type = OptionType::Boolean,
           .default_text = "false",
           .help = "Each class's logit, too, before temperature"},
    Option{.name = "embedding",
           .type = OptionType::Boolean,
           .default_text = "false",
           .help = "The features before the head, too"},
    Option{.name = "data",
           .type = OptionType::String,
           .default_text = "",
           .help = "A folder with a folder of pictures for each class"},
    Option{.name = "report",
           .type = OptionType::String,
           .default_text = "",
           .help = "Writes a report to this HTML file, whole in itself"},
    Option{.name = "output",
           .type = OptionType::String,
           .default_text = "",
           .help = "The file to write, .safetensors or .pth"},
    Option{.name = "alpha",
           .type = OptionType::Double,
           .default_text = "0.5",
           .maximum = 1,
           .help = "Share of the second model, 0 to 1"},
    Option{.name = "max-lr",
           .type = OptionType::Double,
           .default_text = "0",
           .maximum = 1e6,
           .help = "The largest learning rate that is tried; 0: 1 for SGD, 0.1 for Adam and AdamW"},
    Option{.name = "steps",
           .type = OptionType::Uint,
           .default_text = "100",
           .minimum = 5,
           .maximum = 100000,
           .help = "Steps of the optimiser"},
    Option{.name = "svg", .type = OptionType::String, .default_text = "", .help = "Draws the curve into this SVG file"},
    Option{.name = "tensors",
           .type = OptionType::Boolean,
           .default_text = "false",
           .help = "Each tensor of the file with shape, type and hash"},
    Option{.name = "check",
           .type = OptionType::Boolean,
           .default_text = "false",
           .help = "Checks the weights; exit status 1 if a check fails"},
    Option{.name = "labels",
           .type = OptionType::String,
           .default_text = "",
           .help = "The classes' names in their order, between commas (--labels-file where a name has one)"},
    Option{.name = "num-classes",
           .type = OptionType::Uint,
           .default_text = "0",
           .maximum = 1000000,
           .help = "A new, untrained head for so many classes; 0: the head stays"},
    Option{.name = "seed",
           .type = OptionType::Uint64,
           .default_text = "0",
           .maximum = 18446744073709551615.0,
           .help = "Of the new head's random weights"},
    Option{.name = "norm",
           .type = OptionType::Enum,
           .default_text = "auto",
           .values = kNormalizations,
           .help = "Converts the normalisation"},
    Option{.name = "input-size",
           .type = OptionType::String,
           .default_text = "",
           .help = "N or WIDTHxHEIGHT of the network's input; --resize follows in proportion unless given"},
    Option{.name = "resize",
           .type = OptionType::Uint,
           .default_text = "0",
           .maximum = 32768,
           .help = "The shortest side before the crop; 0: as it is"},
    Option{.name = "crop",
           .type = OptionType::String,
           .default_text = "",
           .help = "N or WIDTHxHEIGHT that the crop keeps; --resize stays"},
    Option{.name = "mean",
           .type = OptionType::String,
           .default_text = "",
           .help = "Of R, G and B between commas, of values from 0 to 1"},
    Option{.name = "std",
           .type = OptionType::String,
           .default_text = "",
           .help = "Standard deviation of R, G and B between commas"},
    Option{.name = "interpolation",
           .type = OptionType::Enum,
           .default_text = "auto",
           .values = kInterpolations,
           .help = "The filter of the resize"},
    Option{.name = "what",
           .type = OptionType::Enum,
           .default_text = "inference",
           .values = kSubjects,
           .help = "What is measured"},
    Option{.name = "seconds",
           .type = OptionType::Double,
           .default_text = "5",
           .minimum = 0.01,
           .maximum = 86400,
           .help = "How long it is measured"},
    Option{.name = "warmup",
           .type = OptionType::Double,
           .default_text = "1",
           .maximum = 86400,
           .help = "Seconds before that, which don't count"},
};

}  // namespace

std::vector<Option> option_rows(std::initializer_list<std::string_view> names) {
  std::vector<Option> rows;
  for (const std::string_view name : names) {
    const Option* row = find_option(kToolOptions, name);
    if (!row) row = find_option(classify_options(), name);
    if (!row) std::abort();  // a verb that names an option nobody has
    rows.push_back(*row);
  }
  return rows;
}

Option with_default(std::string_view name, std::string_view default_text) {
  Option row = option_rows({name}).front();
  row.default_text = default_text;
  return row;
}

}  // namespace resnetft::tool
