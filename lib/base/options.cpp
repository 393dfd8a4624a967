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
    OptionValue{"auto", 0, "fp16 on CUDA, fp32 on the CPU"},
    OptionValue{"fp32", 1, "32-bit floating point"},
    OptionValue{"bf16", 2, "bfloat16, where the processor has it"},
    OptionValue{"fp16", 3, "half precision, on CUDA"},
    OptionValue{"tf32", 4, "fp32 with products of 10 bits of mantissa, on CUDA"},
};
constexpr std::array kEngines = {
    OptionValue{"auto", 0, "cuda on a GPU; on the CPU onednn where it can, else reference"},
    OptionValue{"onednn", 1, "oneDNN on the CPU"},
    OptionValue{"reference", 2, "LibTorch's operators on the CPU, the definition of the right answer"},
    OptionValue{"cuda", 3, "cuDNN on an NVIDIA GPU"},
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
           .help = "auto, cpu, cuda (the first GPU) or cuda:N; a named one that is missing is an error"},
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
           .help = "Threads of the CPU for one frame; 0: what the net can use of those that the process may"},
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

constexpr std::array kLabelSources = {
    OptionValue{"property", 1, "the property label"},
    OptionValue{"event", 2, "resnet-label events"},
    OptionValue{"roi", 4, "the type of each region of interest, for that region"},
};
constexpr std::array kSamplePolicies = {
    OptionValue{"every", 0, "every sampled frame"},
    OptionValue{"changed", 1, "those that differ from what is kept"},
    OptionValue{"uncertain", 2, "those that the model is unsure of first; labels are asked for"},
};
constexpr std::array kClassSets = {
    OptionValue{"replace", 0, "what the stream has named"},
    OptionValue{"extend", 1, "the base model's classes, too"},
};
constexpr std::array kReplayPolicies = {
    OptionValue{"balanced-reservoir", 0, "the largest class makes room"},
    OptionValue{"fifo", 1, "the oldest sample makes room"},
};
constexpr std::array kTrainWhen = {
    OptionValue{"off", 0, "never"},
    OptionValue{"manual", 1, "when train-now asks"},
    OptionValue{"auto", 2, "when there are enough samples, or train-now asks"},
};
constexpr std::array kTrainable = {
    OptionValue{"head", 1, "the last layer"},
    OptionValue{"layer4", 2, "the last stage and the head"},
    OptionValue{"all", 3, "every layer"},
};
constexpr std::array kOptimizers = {
    OptionValue{"sgd", 0, "with momentum"},
    OptionValue{"sgd-nesterov", 1, "with Nesterov's momentum"},
    OptionValue{"adam", 2, "Kingma and Ba 2015"},
    OptionValue{"adamw", 3, "Loshchilov and Hutter 2019"},
};
constexpr std::array kGateMetrics = {
    OptionValue{"macro-f1", 0, "mean of the classes' F1"},
    OptionValue{"top1", 1, "share of samples named rightly"},
    OptionValue{"loss", 2, "mean cross-entropy"},
};
constexpr std::array kInstantHeads = {
    OptionValue{"lda", 0, "class means and one shared covariance"},
    OptionValue{"means", 1, "the nearest class mean"},
    OptionValue{"off", 2, "none"},
};
constexpr std::array kPromotions = {
    OptionValue{"auto", 0, "a candidate that wins takes over"},
    OptionValue{"ask", 1, "it waits for the action promote"},
    OptionValue{"never", 2, "it is judged only"},
};

// A row of resnetfinetune: it may change while playing unless `fixed` says otherwise.
constexpr Option fixed(Option option) {
  option.while_playing = false;
  return option;
}
constexpr Option boolean(std::string_view name, std::string_view text, std::string_view help) {
  return {.name = name, .type = OptionType::Boolean, .default_text = text, .help = help, .while_playing = true};
}
constexpr Option text(std::string_view name, std::string_view value, std::string_view help) {
  return {.name = name, .type = OptionType::String, .default_text = value, .help = help, .while_playing = true};
}
struct Range {
  double minimum, maximum;
};
constexpr Range kFromOne = {1, kUint}, kAny64 = {0, kUint64}, kFromOne64 = {1, kUint64}, kShare = {0, 1};
constexpr Option number(OptionType type, std::string_view name, std::string_view text, Range range,
                        std::string_view help) {
  return {.name = name,
          .type = type,
          .default_text = text,
          .minimum = range.minimum,
          .maximum = range.maximum,
          .help = help,
          .while_playing = true};
}
constexpr Option uint(std::string_view name, std::string_view text, Range range, std::string_view help) {
  return number(OptionType::Uint, name, text, range, help);
}
constexpr Option uint64(std::string_view name, std::string_view text, Range range, std::string_view help) {
  return number(OptionType::Uint64, name, text, range, help);
}
constexpr Option real(std::string_view name, std::string_view text, Range range, std::string_view help) {
  return number(OptionType::Double, name, text, range, help);
}
constexpr Option choice(std::string_view name, std::string_view text, std::span<const OptionValue> values,
                        std::string_view help) {
  return {.name = name,
          .type = OptionType::Enum,
          .default_text = text,
          .values = values,
          .help = help,
          .while_playing = true};
}

constexpr std::array kFinetune = {
    fixed(text("model-instance-id", "default", "Name of the model that it teaches; none: a private one")),
    fixed(text("base-model-file", "", "Weights to start from, where the shared model has none yet")),
    fixed(text("checkpoint-dir", "", "Folder that each generation is written to, and resumed from")),
    text("label", "", "What the frames show now; none: they are not labelled"),
    boolean("allow-new-classes", "true", "A label never seen adds a class; false: it is refused"),
    Option{.name = "label-source",
           .type = OptionType::Flags,
           .default_text = "property+event",
           .values = kLabelSources,
           .help = "Where labels come from",
           .while_playing = true},
    uint("sample-interval", "5", kFromOne, "Every Nth frame is sampled, and the first one under another label"),
    choice("sample-policy", "every", kSamplePolicies, "Which sampled frames are kept"),
    fixed(uint("replay-capacity", "2000", kFromOne, "Samples that are kept")),
    fixed(uint64("replay-max-bytes", "536870912", kFromOne64, "Bytes that they may take")),
    fixed(choice("classes", "replace", kClassSets, "What the model knows after training")),
    fixed(choice("replay-policy", "balanced-reservoir", kReplayPolicies, "Which sample goes when there is no room")),
    fixed(text("replay-location", "", "Folder that keeps the samples, resumed after a crash; none: memory only")),
    fixed(boolean("store-frames", "false", "Pictures go to replay-location, too; false: features only")),
    fixed(text("seed-dataset", "", "Folder of pictures, one folder a class, that is rehearsed with the live ones")),
    fixed(uint64("candidate-ring-bytes", "67108864", kAny64,
                 "Bytes of unlabelled pictures that may still be labelled; 0: unlabelled frames pass untouched")),
    fixed(uint64("candidate-ring-time", "30000000000", kAny64, "How long they may, in ns; 0: as with no bytes")),
    fixed(real("holdout-fraction", "0.2", {0, 0.9}, "Share of labelled time that is kept back to judge by")),
    fixed(uint64("holdout-block", "2000000000", kFromOne64, "Length of the blocks that time is cut into, in ns")),
    fixed(
        uint64("holdout-gap", "1000000000", kAny64, "Samples nearer than that to the other side are left out, in ns")),
    choice("train", "auto", kTrainWhen, "When a run starts"),
    uint("min-samples", "64", kFromOne, "With train=auto: training samples before the first run"),
    uint("min-per-class", "8", kFromOne, "With train=auto: training samples of each class"),
    uint("min-new-samples", "32", kFromOne, "With train=auto: new ones before the next run"),
    choice("trainable", "head", kTrainable, "What learns"),
    choice("optimizer", "sgd", kOptimizers, "As --opt of ft-tool train"),
    real("learning-rate", "0", {0, 1e6}, "As --lr of ft-tool train; 0: auto"),
    real("weight-decay", "0.0001", {0, 1e9}, "As --weight-decay of ft-tool train"),
    uint("epochs", "0", {0, kUint - 1}, "As --epochs of ft-tool train; 0: auto"),
    uint("batch-size", "32", kFromOne, "As --batch-size of ft-tool train"),
    text("augment", "", "Options of ft-tool train: crop=pad,hflip=0.5,color-jitter=0.2; crop=none,hflip=0 for none"),
    choice("gate-metric", "macro-f1", kGateMetrics, "What candidate and incumbent are compared by"),
    real("gate-min-delta", "0", {0, 100}, "The candidate must be better, and by at least that"),
    uint("gate-min-samples", "60", kFromOne, "Held-out samples before a trained candidate is judged"),
    uint("gate-min-per-class", "5", kFromOne, "A class with fewer is listed, not judged"),
    real("gate-max-recall-drop", "0.05", kShare, "No old class may lose more recall, and more than two samples"),
    real("gate-significance", "1", {1e-6, 1}, "Of McNemar's exact test over hold-out blocks; 1: off"),
    choice("instant-head", "lda", kInstantHeads, "The head until a trained one wins"),
    choice("promotion", "auto", kPromotions, "What a candidate that wins does"),
    uint64("rollback-window", "0", kAny64,
           "Labelled time that accuracy is watched over, in ns; 0: no automatic roll-back"),
    real("rollback-drop", "0.1", kShare, "A fall of accuracy that rolls back"),
    fixed(text("training-device", "auto",
               "auto, cpu, cuda (the first GPU) or cuda:N; a named one that is missing is an error")),
    fixed(uint("training-threads", "1", {1, 1024}, "Threads that train")),
    real("duty-cycle", "0.5", {0.01, 1}, "Share of any 2 s that training may take"),
    boolean("finish-on-eos", "false", "A run under way ends, and its message is posted, before EOS goes on"),
    fixed(uint64("seed", "0", {0, 9007199254740992.0}, "Of hold-out, reservoir and training")),
};

}  // namespace

std::span<const Option> classify_options() { return kClassify; }
std::span<const Option> finetune_options() { return kFinetune; }

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
