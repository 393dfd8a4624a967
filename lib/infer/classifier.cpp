// SPDX-License-Identifier: MIT
#include "resnetft/classifier.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <map>
#include <mutex>
#include <new>
#include <tuple>

#include "base/log.h"
#include "device/device_choice.h"
#include "device/thread_budget.h"
#include "infer/engine.h"
#include "infer/judge.h"
#include "model/network.h"

namespace resnetft {
namespace {

using Clock = std::chrono::steady_clock;

int64_t nanoseconds(Clock::duration time) { return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count(); }

// Handing work to another thread pays from about a millisecond of it: the CIFAR ResNet-20 (41 million) takes 0.3 ms on
// one thread, and many times that on two while another program keeps one processor busy.
constexpr double kMultiplyAddsPerThread = 1e8;

double multiply_adds(const Network& network) {
  double sum = 0;
  for (const Layer& layer : network.layers)
    if (layer.kind == LayerKind::Convolution)
      sum += static_cast<double>(layer.dst_extent.channels * layer.dst_extent.height * layer.dst_extent.width) *
             static_cast<double>(layer.src_extent.channels / layer.groups * layer.kernel * layer.kernel);
  return sum;
}

Result<int> suitable_threads(const ModelCard& card, int width, int height, int batch) {
  const Result<Architecture> architecture = find_architecture(card.architecture);
  if (!architecture) return architecture.error();
  const Result<Network> network = build_network(*architecture, width, height, card.num_classes);
  if (!network) return network.error();
  const double threads = std::ceil(batch * multiply_adds(*network) / kMultiplyAddsPerThread);
  return static_cast<int>(std::min<double>(threads, processors_of_process()));
}

struct PrecisionRow {
  std::string_view name;
  Precision precision;
  bool on_cpu;
};
constexpr std::array kPrecisions = {
    PrecisionRow{"fp32", Precision::Fp32, true}, PrecisionRow{"bf16", Precision::Bf16, true},
    PrecisionRow{"fp16", Precision::Fp16, false}, PrecisionRow{"tf32", Precision::Tf32, false}};

std::string possible_precisions(bool on_gpu) {
  std::string text = "auto";
  for (const PrecisionRow& row : kPrecisions)
    if (on_gpu || row.on_cpu) text += ", " + std::string(row.name);
  return text;
}

Result<Precision> parse_precision(const std::string& name, const Device& device) {
  if (name == "auto") return device.cuda ? Precision::Fp16 : Precision::Fp32;
  for (const PrecisionRow& row : kPrecisions) {
    if (row.name != name) continue;
    if (device.cuda || row.on_cpu) return row.precision;
    return Error{ErrorCode::InvalidArgument, "precision '" + name + "' needs a GPU, this is device cpu",
                 "possible on the CPU are: " + possible_precisions(false)};
  }
  return Error{ErrorCode::InvalidArgument, "unknown precision '" + name + "'",
               "possible are: " + possible_precisions(true)};
}

// What is asked of the processor or a GPU before an engine is. Device auto stands back behind an engine that is named.
Result<Device> wanted_device(const ClassifierOptions& options) {
  if (options.device != "auto" || options.engine == "auto") return choose_device(options.device);
  return options.engine == "cuda" ? choose_device("cuda") : Device{};
}

// Where nobody named the GPU, a model or machine that is not fit for it is no error.
bool may_fall_back(const ClassifierOptions& options, const Device& device, const Error& error) {
  return device.cuda && options.device == "auto" && options.engine == "auto" &&
         (error.code == ErrorCode::Incompatible || error.code == ErrorCode::DeviceUnavailable);
}

}  // namespace

struct Snapshot::State {
  using Key = std::tuple<std::string, EngineSpec>;
  std::shared_ptr<const Model> model;
  std::mutex lock;  // held while an engine is built, so that it is built once
  std::map<Key, std::weak_ptr<const Engine>> engines;

  Result<std::shared_ptr<const Engine>> engine(const std::string& name, const EngineSpec& spec) {
    const std::scoped_lock guard(lock);
    std::weak_ptr<const Engine>& known = engines[{name, spec}];
    if (std::shared_ptr<const Engine> engine = known.lock()) return engine;
    Result<std::shared_ptr<const Engine>> engine = create_engine(name, *model, spec);
    if (engine) known = *engine;
    return engine;
  }
};

Snapshot::Snapshot(std::unique_ptr<State> state) : state_(std::move(state)) {}
Snapshot::~Snapshot() = default;

std::shared_ptr<const Snapshot> Snapshot::create(std::shared_ptr<const Model> model) {
  auto state = std::make_unique<State>();
  state->model = std::move(model);
  return std::shared_ptr<const Snapshot>(new Snapshot(std::move(state)));
}

const Model& Snapshot::model() const { return *state_->model; }

struct Classifier::State {
  std::shared_ptr<const Snapshot> snapshot;
  std::shared_ptr<const Engine> engine;
  std::unique_ptr<Session> session;
  FrameSession* frames;  // the same, where it preprocesses by itself; else null
  Preprocessor preprocessor;
  EngineSpec spec;
  int64_t preprocess_time_ns = 0;
  int64_t inference_time_ns = 0;

  const ModelCard& card() const { return snapshot->model().card(); }

  Status take(int index, const ImageView& image) {
    if (frames) return frames->take(index, image);
    return preprocessor.to_tensor(image, session->input(index), engine->layout());
  }

  // Fills the session with `images` and runs it; at most spec.max_batch pictures.
  Status run(std::span<const ImageView> images) {
    const Clock::time_point start = Clock::now();
    for (size_t i = 0; i < images.size(); ++i)
      if (Status status = take(static_cast<int>(i), images[i]); !status) return status;
    const Clock::time_point ready = Clock::now();
    const Status status = session->run(static_cast<int>(images.size()));
    preprocess_time_ns += nanoseconds(ready - start);
    inference_time_ns += nanoseconds(Clock::now() - ready);
    return status;
  }

  Judgement judge(int index, size_t top_k) const {
    const std::span<const float> logits = session->logits(index), embedding = session->embedding(index);
    return {best_classes(confidences(logits, card().temperature), card(), top_k),
            {logits.begin(), logits.end()},
            {embedding.begin(), embedding.end()}};
  }
};

Classifier::Classifier(std::unique_ptr<State> state) : state_(std::move(state)) {}
Classifier::~Classifier() = default;

Result<std::unique_ptr<Classifier>> Classifier::create_on(std::shared_ptr<const Snapshot> snapshot,
                                                          const ClassifierOptions& options, const Device& device) {
  const Result<Precision> precision = parse_precision(options.precision, device);
  if (!precision) return precision.error();
  PreprocessSpec preprocess = snapshot->model().card().preprocess;
  preprocess.mode = options.resize_mode.value_or(preprocess.mode);
  Result<Preprocessor> preprocessor = Preprocessor::create(preprocess);
  if (!preprocessor) return preprocessor.error();

  EngineSpec spec{.width = preprocess.crop_width,
                  .height = preprocess.crop_height,
                  .max_batch = std::max(1, options.max_batch),
                  .full_batches = device.cuda && options.full_batches,
                  .precision = *precision,
                  .threads = device.cuda ? 1 : options.threads,
                  .device = device,
                  .background = device.cuda && options.background};
  if (spec.threads < 1) {
    const Result<int> threads = suitable_threads(snapshot->model().card(), spec.width, spec.height, spec.max_batch);
    if (!threads) return threads.error();
    spec.threads = *threads;
  }
  Result<std::shared_ptr<const Engine>> engine = snapshot->state_->engine(options.engine, spec);
  if (!engine) return engine.error();
  Result<std::unique_ptr<FrameSession>> frames = (*engine)->create_frame_session(preprocess);
  if (!frames) return frames.error();
  FrameSession* const own_preprocessing = frames->get();
  Result<std::unique_ptr<Session>> session = std::unique_ptr<Session>(std::move(*frames));
  if (!own_preprocessing) session = (*engine)->create_session();
  if (!session) return session.error();
  return std::unique_ptr<Classifier>(
      new Classifier(std::unique_ptr<State>(new State{std::move(snapshot), std::move(*engine), std::move(*session),
                                                      own_preprocessing, std::move(*preprocessor), spec})));
}

Result<std::unique_ptr<Classifier>> Classifier::create(std::shared_ptr<const Snapshot> snapshot,
                                                       const ClassifierOptions& options) {
  const Result<Device> device = wanted_device(options);
  if (!device) return device.error();
  Result<std::unique_ptr<Classifier>> classifier = create_on(snapshot, options, *device);
  if (classifier || !may_fall_back(options, *device, classifier.error())) return classifier;
  log(LogLevel::Info, "device auto is the CPU: " + classifier.error().message);
  return create_on(std::move(snapshot), options, Device{});
}

const Snapshot& Classifier::snapshot() const { return *state_->snapshot; }
const ModelCard& Classifier::card() const { return state_->card(); }
std::string Classifier::engine_name() const { return state_->engine->name(); }
std::string Classifier::device_name() const { return resnetft::device_name(state_->spec.device); }
std::string Classifier::precision_name() const {
  const auto is_ours = [&](const PrecisionRow& row) { return row.precision == state_->spec.precision; };
  return std::string(std::ranges::find_if(kPrecisions, is_ours)->name);
}
int Classifier::threads() const { return state_->spec.threads; }
int64_t Classifier::preprocess_time_ns() const { return state_->preprocess_time_ns; }
int64_t Classifier::inference_time_ns() const { return state_->inference_time_ns; }

Result<std::vector<Judgement>> Classifier::classify(std::span<const ImageView> images, size_t top_k) try {
  state_->preprocess_time_ns = state_->inference_time_ns = 0;
  const size_t max_batch = static_cast<size_t>(state_->spec.max_batch);
  std::vector<Judgement> judgements;
  judgements.reserve(images.size());
  while (!images.empty()) {
    const size_t count = std::min(images.size(), max_batch);
    if (Status status = state_->run(images.first(count)); !status) return status.error();
    for (size_t i = 0; i < count; ++i) judgements.push_back(state_->judge(static_cast<int>(i), top_k));
    images = images.subspan(count);
  }
  return judgements;
} catch (const std::bad_alloc&) {
  return Error{ErrorCode::OutOfMemory, "classifying: memory ran out", "use a smaller batch"};
}

}  // namespace resnetft
