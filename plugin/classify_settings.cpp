// SPDX-License-Identifier: MIT
#include "classify_settings.h"

#include <array>

namespace resnetft {
namespace {

struct ResizeRow {
  std::string_view name;
  ResizeMode mode;
};
constexpr std::array kResizeModes = {ResizeRow{"crop", ResizeMode::Crop}, ResizeRow{"stretch", ResizeMode::Stretch},
                                     ResizeRow{"letterbox", ResizeMode::Letterbox}};

struct SmoothingRow {
  std::string_view name;
  Smoothing smoothing;
};
constexpr std::array kSmoothings = {SmoothingRow{"none", Smoothing::None}, SmoothingRow{"ema", Smoothing::Ema},
                                    SmoothingRow{"majority", Smoothing::Majority}};

std::optional<ResizeMode> resize_mode(std::string_view name) {
  for (const ResizeRow& row : kResizeModes)
    if (row.name == name) return row.mode;
  return std::nullopt;
}

Smoothing smoothing(std::string_view name) {
  for (const SmoothingRow& row : kSmoothings)
    if (row.name == name) return row.smoothing;
  return Smoothing::None;
}

SmootherRule smoother_rule(const Settings& settings) {
  return {.smoothing = smoothing(settings.word("smoothing")),
          .window = static_cast<unsigned>(settings.number("smoothing-window")),
          .min_dwell_ns = settings.number("min-dwell"),
          .threshold = settings.real("threshold"),
          .unknown_label = settings.text("unknown-label"),
          .top_k = static_cast<size_t>(settings.number("top-k"))};
}

}  // namespace

FrameRules frame_rules(const Settings& settings) {
  return {.region = static_cast<RegionSource>(settings.number("region")),
          .roi_class = settings.text("roi-class"),
          .inference_interval = static_cast<unsigned>(settings.number("inference-interval")),
          .smoothing = smoother_rule(settings),
          .skip_late = settings.boolean("skip-late"),
          .post_messages = static_cast<PostMessages>(settings.number("post-messages")),
          .metas = static_cast<unsigned>(settings.number("meta")),
          .attach_embedding = settings.boolean("attach-embedding"),
          .overlay = settings.boolean("overlay")};
}

Result<ModelRequest> model_request(const Settings& settings) {
  ModelRequest request;
  request.path = settings.text("model-file");
  const std::string architecture = settings.word("arch"), labels_file = settings.text("labels-file");
  if (architecture != "auto") request.load.architecture = architecture;
  if (!labels_file.empty()) {
    Result<std::vector<std::string>> labels = read_labels_file(labels_file);
    if (!labels) return labels.error();
    request.load.labels = std::move(*labels);
  }
  const std::string device = settings.text("device");
  request.classifier = {.device = device.empty() ? "auto" : device,
                        .precision = settings.word("precision"),
                        .engine = settings.word("engine"),
                        .threads = static_cast<int>(settings.number("threads")),
                        .resize_mode = resize_mode(settings.word("resize-mode"))};
  return request;
}

}  // namespace resnetft
