// SPDX-License-Identifier: MIT
#include "base/options.h"

#include <array>
#include <limits>

namespace resnetft {
namespace {

constexpr double kUint = std::numeric_limits<uint32_t>::max();
constexpr double kUint64 = static_cast<double>(std::numeric_limits<uint64_t>::max());

constexpr std::array kArchitectures = {
    OptionValue{"auto", 0, "found from the tensors' names and shapes"},
    OptionValue{"resnet18", 1, "ResNet-18"},
    OptionValue{"resnet34", 2, "ResNet-34"},
    OptionValue{"resnet50", 3, "ResNet-50"},
    OptionValue{"resnet101", 4, "ResNet-101"},
    OptionValue{"resnet152", 5, "ResNet-152"},
    OptionValue{"resnext50_32x4d", 6, "ResNeXt-50 32x4d"},
    OptionValue{"resnext101_32x8d", 7, "ResNeXt-101 32x8d"},
    OptionValue{"resnext101_64x4d", 8, "ResNeXt-101 64x4d"},
    OptionValue{"wide_resnet50_2", 9, "Wide ResNet-50-2"},
    OptionValue{"wide_resnet101_2", 10, "Wide ResNet-101-2"},
    OptionValue{"resnet20", 11, "CIFAR ResNet-20"},
    OptionValue{"resnet32", 12, "CIFAR ResNet-32"},
    OptionValue{"resnet44", 13, "CIFAR ResNet-44"},
    OptionValue{"resnet56", 14, "CIFAR ResNet-56"},
    OptionValue{"resnet110", 15, "CIFAR ResNet-110"},
};
constexpr std::array kPrecisions = {
    OptionValue{"auto", 0, "fp32 on the CPU"},
    OptionValue{"fp32", 1, "32-bit floating point"},
    OptionValue{"bf16", 2, "bfloat16, where the processor has it"},
};
constexpr std::array kEngines = {
    OptionValue{"auto", 0, "onednn where it can, else reference"},
    OptionValue{"onednn", 1, "oneDNN on the CPU"},
    OptionValue{"reference", 2, "LibTorch's operators, the definition of the right answer"},
};
constexpr std::array kRegions = {
    OptionValue{"full-frame", 0, "the whole frame"},
    OptionValue{"roi-list", 1, "each region of interest that the frame carries"},
};
constexpr std::array kResizeModes = {
    OptionValue{"auto", 0, "as the model's card says"},
    OptionValue{"crop", 1, "shortest side, then the centre"},
    OptionValue{"stretch", 2, "the whole picture, its aspect changed"},
    OptionValue{"letterbox", 3, "the whole picture, bars around it"},
};
constexpr std::array kSmoothing = {
    OptionValue{"none", 0, "each judgement stands for itself"},
    OptionValue{"ema", 1, "exponential moving average of all confidences"},
    OptionValue{"majority", 2, "the label that most of the last judgements put first"},
};
constexpr std::array kPostMessages = {
    OptionValue{"never", 0, "no classification and label-changed messages"},
    OptionValue{"on-change", 1, "when the label changes"},
    OptionValue{"always", 2, "for every judged frame"},
};
constexpr std::array kMeta = {
    OptionValue{"analytics", 1, "GstAnalytics classification (GStreamer 1.24 and later)"},
    OptionValue{"custom", 2, "the GstCustomMeta ResnetClassification"},
    OptionValue{"roi", 4, "a classification structure on each region that is there"},
};

constexpr std::array kClassify = {
    Option{.name = "model-file",
           .type = OptionType::String,
           .default_text = "",
           .help = "Weights: safetensors, or a PyTorch checkpoint (.pth, .pt, .th)",
           .while_playing = true},
    Option{.name = "labels-file",
           .type = OptionType::String,
           .default_text = "",
           .help = "One label a line, for weight files that carry none",
           .while_playing = true},
    Option{.name = "arch",
           .type = OptionType::Enum,
           .default_text = "auto",
           .values = kArchitectures,
           .help = "Architecture, for weight files that don't say"},
    Option{.name = "device",
           .type = OptionType::String,
           .default_text = "auto",
           .help = "auto or cpu; a named one that is missing is an error"},
    Option{.name = "precision",
           .type = OptionType::Enum,
           .default_text = "auto",
           .values = kPrecisions,
           .help = "Arithmetic of the engine"},
    Option{.name = "engine",
           .type = OptionType::Enum,
           .default_text = "auto",
           .values = kEngines,
           .help = "What runs the network"},
    Option{.name = "threads",
           .type = OptionType::Uint,
           .default_text = "0",
           .maximum = 1024,
           .help = "Threads for one frame; 0: what the net can use of those that the process may"},
    Option{.name = "model-instance-id",
           .type = OptionType::String,
           .default_text = "",
           .help = "Name of the model that elements of this process share; none: private"},
    Option{.name = "region",
           .type = OptionType::Enum,
           .default_text = "full-frame",
           .values = kRegions,
           .help = "What is classified",
           .while_playing = true},
    Option{.name = "roi-class",
           .type = OptionType::String,
           .default_text = "",
           .help = "With region=roi-list: only regions of that type",
           .while_playing = true},
    Option{.name = "inference-interval",
           .type = OptionType::Uint,
           .default_text = "1",
           .minimum = 1,
           .maximum = kUint,
           .help = "Every Nth frame is inferred; between, the last result is attached with its age",
           .while_playing = true},
    Option{.name = "resize-mode",
           .type = OptionType::Enum,
           .default_text = "auto",
           .values = kResizeModes,
           .help = "How a picture is brought to the model's input size"},
    Option{.name = "top-k",
           .type = OptionType::Uint,
           .default_text = "1",
           .maximum = kUint,
           .help = "How many classes a result names; 0: all",
           .while_playing = true},
    Option{.name = "threshold",
           .type = OptionType::Double,
           .default_text = "0",
           .maximum = 1,
           .help = "A best confidence below it gives unknown-label, or no label",
           .while_playing = true,
           .controllable = true},
    Option{.name = "unknown-label",
           .type = OptionType::String,
           .default_text = "",
           .help = "Label of what stays below the threshold",
           .while_playing = true},
    Option{.name = "smoothing",
           .type = OptionType::Enum,
           .default_text = "none",
           .values = kSmoothing,
           .help = "How judgements are steadied over time",
           .while_playing = true},
    Option{.name = "smoothing-window",
           .type = OptionType::Uint,
           .default_text = "15",
           .minimum = 1,
           .maximum = 10000,
           .help = "Judgements that smoothing looks at",
           .while_playing = true},
    Option{.name = "min-dwell",
           .type = OptionType::Uint64,
           .default_text = "0",
           .maximum = kUint64,
           .help = "A shown label stays at least that long, in ns",
           .while_playing = true},
    Option{.name = "skip-late",
           .type = OptionType::Boolean,
           .default_text = "true",
           .help = "A late frame passes without inference, counted, with a QoS message",
           .while_playing = true},
    Option{.name = "post-messages",
           .type = OptionType::Enum,
           .default_text = "on-change",
           .values = kPostMessages,
           .help = "When classification and label-changed messages are posted",
           .while_playing = true},
    Option{.name = "meta",
           .type = OptionType::Flags,
           .default_text = "analytics+custom+roi",
           .values = kMeta,
           .help = "What is attached to the buffer",
           .while_playing = true},
    Option{.name = "attach-embedding",
           .type = OptionType::Boolean,
           .default_text = "false",
           .help = "The features before the head, in the meta",
           .while_playing = true},
    Option{.name = "overlay",
           .type = OptionType::Boolean,
           .default_text = "false",
           .help = "Draws label and confidence into the picture",
           .while_playing = true},
    Option{.name = "enabled",
           .type = OptionType::Boolean,
           .default_text = "true",
           .help = "false: frames pass untouched, at no cost",
           .while_playing = true},
};

}  // namespace

std::span<const Option> classify_options() { return kClassify; }

const Option* find_option(std::span<const Option> options, std::string_view name) {
  for (const Option& option : options)
    if (option.name == name) return &option;
  return nullptr;
}

std::optional<int> option_value(const Option& option, std::string_view text) {
  const auto single = [&](std::string_view name) -> std::optional<int> {
    for (const OptionValue& value : option.values)
      if (value.name == name) return value.value;
    return std::nullopt;
  };
  if (option.type != OptionType::Flags) return single(text);
  int sum = 0;
  while (!text.empty()) {
    const size_t plus = text.find('+');
    const std::optional<int> value = single(text.substr(0, plus));
    if (!value) return std::nullopt;
    sum |= *value;
    text = plus == std::string_view::npos ? std::string_view() : text.substr(plus + 1);
  }
  return sum;
}

std::string option_values_text(const Option& option) {
  std::string text;
  for (const OptionValue& value : option.values) text += (text.empty() ? "" : ", ") + std::string(value.name);
  return text;
}

}  // namespace resnetft
