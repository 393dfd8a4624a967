// SPDX-License-Identifier: MIT
// ft-tool benchmark: images a second and latency of the network, of preprocessing, or of reading pictures.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <random>

#include <unistd.h>

#include "data/decode_ahead.h"
#include "data/image_folder.h"
#include "json_text.h"
#include "model/architecture.h"
#include "model_source.h"
#include "terminal.h"
#include "tool_options.h"
#include "verbs.h"

namespace resnetft::tool {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kFrameWidth = 1920, kFrameHeight = 1080;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// The nearest-rank percentile of sorted values.
double percentile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// What one measurement found. The model's part stays empty where none took part.
struct Measured {
  std::string architecture, precision, engine, device = "cpu";
  int threads = 0;
  int64_t images_each = 1;      // images of one iteration
  std::vector<double> seconds;  // of each iteration
  double total_seconds = 0;
  int64_t resident_bytes = 0;  // at the end, with all of it still in memory
};

// One call is one iteration; it gives the seconds that count.
using Iteration = std::function<Result<double>()>;

Status measure(const CommandLine& line, const Iteration& iterate, Measured& measured) {
  const Clock::time_point warm_start = Clock::now();
  do {
    if (const Result<double> seconds = iterate(); !seconds) return seconds.error();
  } while (seconds_since(warm_start) < line.real("warmup") && !interrupted());
  Progress progress("benchmark", 0);
  const Clock::time_point start = Clock::now();
  do {
    const Result<double> seconds = iterate();
    if (!seconds) return seconds.error();
    measured.seconds.push_back(*seconds);
    measured.total_seconds += *seconds;
    progress.advance(measured.images_each);
  } while (seconds_since(start) < line.real("seconds") && !interrupted());
  measured.resident_bytes = resident_bytes();
  return Status::success();
}

// A frame of noise: no part of the path is quicker for it.
std::vector<uint8_t> noise(int width, int height) {
  std::mt19937 random(0);
  std::vector<uint8_t> pixels(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  for (uint8_t& value : pixels) value = static_cast<uint8_t>(random() >> 24);
  return pixels;
}

ImageView rgb_view(const std::vector<uint8_t>& pixels, int width, int height) {
  return {.format = PixelFormat::Rgb,
          .width = width,
          .height = height,
          .planes = {pixels.data()},
          .strides = {ptrdiff_t{3} * width}};
}

// He's initialisation keeps the activations in range, so that no arithmetic slows down on denormal numbers.
FloatTensor random_tensor(const std::vector<int64_t>& shape, std::mt19937& random) {
  size_t size = 1;
  for (const int64_t side : shape) size *= static_cast<size_t>(side);
  const double fan_in = static_cast<double>(size) / static_cast<double>(shape.front());
  std::normal_distribution<float> normal(0.0f, static_cast<float>(std::sqrt(2.0 / fan_in)));
  FloatTensor tensor{shape, std::vector<float>(size)};
  for (float& value : tensor.values) value = normal(random);
  return tensor;
}

// A net with random weights: speed does not depend on what it has learnt.
Result<std::shared_ptr<const Model>> random_model(const std::string& name) {
  const Result<Architecture> architecture = find_architecture(name);
  if (!architecture) return architecture.error();
  ModelCard card{.architecture = name, .num_classes = 1000, .labels = {}, .preprocess = {}};
  if (architecture->block == BlockKind::Cifar) {
    card.num_classes = 10;
    card.preprocess.resize = card.preprocess.crop_width = card.preprocess.crop_height = 32;
  }
  std::mt19937 random(0);
  FloatWeights weights;
  for (const ParameterSpec& spec : parameter_specs(*architecture, card.num_classes)) {
    weights[spec.name] = random_tensor(spec.shape, random);
    const bool scale = spec.shape.size() == 1 && spec.name.ends_with(".weight");
    if (!scale) continue;
    const std::string norm = spec.name.substr(0, spec.name.rfind('.'));
    const size_t channels = static_cast<size_t>(spec.shape[0]);
    weights[spec.name].values.assign(channels, 1.0f);
    weights[norm + ".running_mean"] = {spec.shape, std::vector<float>(channels, 0.0f)};
    weights[norm + ".running_var"] = {spec.shape, std::vector<float>(channels, 1.0f)};
  }
  return Model::create(std::move(card), std::move(weights));
}

Result<std::shared_ptr<const Model>> model_of(const CommandLine& line) {
  if (line.given("model-file")) return open_model(line);
  if (line.choice("arch") != 0) return random_model(line.text("arch"));
  return Error{ErrorCode::InvalidArgument, "no model is named", "pass --model-file FILE, or --arch for random weights"};
}

// The classifier's own clock leaves preprocessing out.
Result<Measured> measure_inference(const CommandLine& line) {
  Result<std::shared_ptr<const Model>> model = model_of(line);
  if (!model) return model.error();
  const Result<std::unique_ptr<Classifier>> classifier = open_classifier(std::move(*model), line);
  if (!classifier) return classifier.error();
  const PreprocessSpec& spec = (*classifier)->card().preprocess;
  const std::vector<uint8_t> pixels = noise(spec.crop_width, spec.crop_height);
  const std::vector<ImageView> views(static_cast<size_t>(line.number("batch-size")),
                                     rgb_view(pixels, spec.crop_width, spec.crop_height));
  Measured measured{.architecture = (*classifier)->card().architecture,
                    .precision = (*classifier)->precision_name(),
                    .engine = (*classifier)->engine_name(),
                    .device = (*classifier)->device_name(),
                    .threads = (*classifier)->threads(),
                    .images_each = static_cast<int64_t>(views.size()),
                    .seconds = {}};
  const Iteration iterate = [&]() -> Result<double> {
    const Result<std::vector<Judgement>> judgements = (*classifier)->classify(views, 1);
    if (!judgements) return judgements.error();
    return static_cast<double>((*classifier)->inference_time_ns()) * 1e-9;
  };
  if (Status status = measure(line, iterate, measured); !status) return status.error();
  return measured;
}

// One frame of 1920x1080 RGB to the model's input (without a model: 224x224 as in torchvision), on one thread.
Result<Measured> measure_preprocess(const CommandLine& line) {
  PreprocessSpec spec;
  Measured measured{.architecture = {}, .precision = {}, .engine = {}, .threads = 1, .seconds = {}};
  if (line.given("model-file")) {
    const Result<std::shared_ptr<const Model>> model = open_model(line);
    if (!model) return model.error();
    spec = (*model)->card().preprocess;
    measured.architecture = (*model)->card().architecture;
  }
  if (const int mode = line.choice("resize-mode"); mode > 0) spec.mode = static_cast<ResizeMode>(mode - 1);
  Result<Preprocessor> preprocessor = Preprocessor::create(spec);
  if (!preprocessor) return preprocessor.error();
  const std::vector<uint8_t> pixels = noise(kFrameWidth, kFrameHeight);
  const ImageView view = rgb_view(pixels, kFrameWidth, kFrameHeight);
  std::vector<float> tensor(static_cast<size_t>(spec.crop_width) * static_cast<size_t>(spec.crop_height) * 3);
  const Iteration iterate = [&]() -> Result<double> {
    const Clock::time_point start = Clock::now();
    if (Status status = preprocessor->to_tensor(view, tensor); !status) return status.error();
    return seconds_since(start);
  };
  if (Status status = measure(line, iterate, measured); !status) return status.error();
  return measured;
}

// The time between two decoded pictures: what a network that takes no time would wait for.
Result<Measured> measure_data(const CommandLine& line) {
  if (!line.given("data")) return Error{ErrorCode::InvalidArgument, "no data is named", "pass --data FOLDER"};
  const Result<std::vector<std::string>> images = list_images(line.text("data"));
  if (!images) return images.error();
  size_t next = 0;
  const auto endless = [&]() -> std::optional<std::string> { return (*images)[next++ % images->size()]; };
  const unsigned workers = worker_count(line);
  const size_t batch_size = static_cast<size_t>(line.number("batch-size"));
  DecodeAhead pictures(endless, workers, 2 * batch_size);
  Measured measured{.architecture = {},
                    .precision = {},
                    .engine = {},
                    .threads = static_cast<int>(workers),
                    .images_each = static_cast<int64_t>(batch_size),
                    .seconds = {}};
  const Iteration iterate = [&]() -> Result<double> {
    const Clock::time_point start = Clock::now();
    for (const ReadPicture& picture : pictures.next_batch(batch_size, true))
      if (!picture.image) return picture.image.error();
    return seconds_since(start);
  };
  if (Status status = measure(line, iterate, measured); !status) return status.error();
  return measured;
}

OrderedJson to_json(const CommandLine& line, Measured measured) {
  std::ranges::sort(measured.seconds);
  const auto text_or_null = [](const std::string& text) { return text.empty() ? OrderedJson() : OrderedJson(text); };
  const size_t iterations = measured.seconds.size();
  OrderedJson json;
  json["what"] = line.text("what");
  json["arch"] = text_or_null(measured.architecture);
  json["batch-size"] = measured.images_each;
  json["precision"] = text_or_null(measured.precision);
  json["engine"] = text_or_null(measured.engine);
  json["device"] = measured.device;
  json["threads"] = measured.threads;
  json["images-per-second"] =
      static_cast<double>(measured.images_each) * static_cast<double>(iterations) / measured.total_seconds;
  json["latency-ms"] = {{"p50", 1e3 * percentile(measured.seconds, 0.50)},
                        {"p95", 1e3 * percentile(measured.seconds, 0.95)},
                        {"p99", 1e3 * percentile(measured.seconds, 0.99)}};
  json["iterations"] = iterations;
  json["rss-bytes"] = measured.resident_bytes;
  return json;
}

std::string to_text(const OrderedJson& json) {
  char text[400];
  const OrderedJson& latency = json["latency-ms"];
  std::snprintf(
      text, sizeof text,
      "%.1f images/s, batch %lld in ms: p50 %.3f, p95 %.3f, p99 %.3f (%lld iterations, %lld threads, %.0f MiB)\n",
      json["images-per-second"].get<double>(), json["batch-size"].get<long long>(), latency["p50"].get<double>(),
      latency["p95"].get<double>(), latency["p99"].get<double>(), json["iterations"].get<long long>(),
      json["threads"].get<long long>(), json["rss-bytes"].get<double>() / (1 << 20));
  std::string subject = json["what"];
  for (const char* key : {"arch", "engine", "precision"})
    if (json[key].is_string()) subject.append(" ").append(json[key].get<std::string>());
  if (json["engine"].is_string()) subject.append(" on ").append(json["device"].get<std::string>());
  return subject + ": " + text;
}

Result<int> run(const CommandLine& line) {
  if (!line.arguments().empty())
    return Error{ErrorCode::InvalidArgument, "unexpected '" + line.arguments().front() + "'", ""};
  constexpr std::array kMeasurements = {measure_inference, measure_preprocess, measure_data};
  Result<Measured> measured = kMeasurements.at(static_cast<size_t>(line.choice("what")))(line);
  if (!measured) return measured.error();
  const OrderedJson json = to_json(line, std::move(*measured));
  const std::string text = line.flag("json") ? json_text(json) + "\n" : to_text(json);
  if (Status status = write_out(text); !status) return status.error();
  if (interrupted()) return interrupted_error();
  return 0;
}

}  // namespace

Verb benchmark_verb() {
  return {"benchmark",
          "",
          "Measures images a second and latency",
          "Without --model-file, --arch takes a net with random weights. One iteration is one batch; preprocess takes\n"
          "one 1920x1080 frame on one thread.\n\n"
          "  ft-tool benchmark --arch resnet50 --batch-size 1\n"
          "  ft-tool benchmark --what data --data train/",
          joined({model_options(), classifier_options(),
                  option_rows({"what", "seconds", "warmup", "data", "workers", "json", "verbose"})}),
          run};
}

}  // namespace resnetft::tool
