// SPDX-License-Identifier: MIT
// How many pictures a second the trainer's steps learn from on a GPU: ResNet-50 at 224x224, batch 128, bfloat16, one
// batch that lies on the GPU (bench.py runs the same loop in Python), then JPEG files of 500x375, and whether the CPU
// or the GPU was the limit there. How many such pictures a second come there, decoded: random-resized to 224x224 on the
// CPU or on the GPU. And what a classifier of 30 frames a second notices of a net that learns beside it. Arguments:
// --json.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <numeric>
#include <string>
#include <thread>

#include "base/formatted.h"
#include "device/torch/guarded.h"
#include "device/torch/torch_device.h"
#include "infer/engine.h"
#include "tests/gpu/jpeg_folder.h"
#include "tests/gpu/training_parts.h"
#include "tests/support/direct_network.h"
#include "tests/support/picture.h"
#include "train/torch/device_source.h"
#include "train/torch/frame_source.h"
#include "train/torch/process_flags.h"

namespace resnetft {
namespace {

using Clock = std::chrono::steady_clock;
using testing::LearningNet;

constexpr int kWarmUp = 20, kSteps = 100;
const testing::TrainedShape kShape{"resnet50", 224, 128, 1000};

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Results as JSON or as text, in the order in which they were found.
class Report {
 public:
  explicit Report(bool json) : json_(json) {}
  void add(const std::string& as_json, const std::string& as_text) {
    is_empty_ = false;
    if (json_) text_ += (text_.empty() ? "[" : ",\n ") + as_json;
    if (!json_) std::printf("%s\n", as_text.c_str()), std::fflush(stdout);
  }
  void add_rate(const char* what, double rate) {
    add(formatted("{\"what\": \"%s\", \"images-per-second\": %.1f}", what, rate),
        formatted("%s: %.1f images/s", what, rate));
  }
  bool is_empty() const { return is_empty_; }
  void end() const {
    if (json_) std::printf("%s]\n", text_.empty() ? "[" : text_.c_str());
  }

 private:
  bool json_, is_empty_ = true;
  std::string text_;
};

Recipe bf16_recipe() {
  Recipe recipe;
  recipe.precision = TrainPrecision::Bf16;
  return recipe;
}

// Learns, and reads each step's loss when the next one is queued, as the trainer does.
class Learning {
 public:
  Learning(const testing::TrainedShape& shape, const Recipe& recipe, const at::Device& device)
      : net_(shape, recipe, device) {}

  void step() { read(net_.step(kRate)); }
  void step(TrainBatch batch) { read(net_.step(kRate, std::move(batch))); }
  // Waits for the GPU.
  void finish() { net_.net().named_parameters()[net_.net().head_name() + ".bias"].sum().item<double>(); }

 private:
  static constexpr double kRate = 0.01;
  void read(BatchSums coming) {
    under_way_.push_back(std::move(coming));
    if (under_way_.size() < 2) return;
    under_way_.front().value();
    under_way_.pop_front();
  }

  LearningNet net_;
  std::deque<BatchSums> under_way_;
};

double images_per_second(const at::Device& device) {
  const Recipe recipe = bf16_recipe();
  const ProcessFlags flags(recipe, device);
  const BackgroundStream stream(device);
  Learning net(kShape, recipe, device);
  for (int i = 0; i < kWarmUp; ++i) net.step();
  net.finish();
  const Clock::time_point begin = Clock::now();
  for (int i = 0; i < kSteps; ++i) net.step();
  net.finish();
  return kSteps * static_cast<double>(kShape.batch) / seconds_since(begin);
}

LoaderSpec loader_of(DatasetPtr dataset) {
  LoaderSpec spec{.dataset = std::move(dataset)};
  spec.augment = AugmentSpec{};
  spec.batch_size = static_cast<size_t>(kShape.batch);
  spec.workers = std::max(1u, std::thread::hardware_concurrency());
  return spec;
}

std::vector<size_t> order_of(size_t pictures) {
  std::vector<size_t> order(pictures);
  std::iota(order.begin(), order.end(), size_t{0});
  return order;
}

// The first epoch warms up.
double pictures_per_second(BatchSource& source, size_t pictures) {
  Clock::time_point begin;
  constexpr uint32_t kEpochs = 8;
  for (uint32_t epoch = 0; epoch < kEpochs; ++epoch) {
    if (epoch == 1) begin = Clock::now();
    source.start(order_of(pictures), epoch, 0);
    while (const std::optional<TrainBatch> batch = source.next().value())
      batch->input.sum().item<double>();  // waits for the GPU
  }
  return static_cast<double>((kEpochs - 1) * pictures) / seconds_since(begin);
}

struct FolderRate {
  double images_per_second, waited;  // share of the time that the GPU had no batch
};

FolderRate learn_from_folder(const at::Device& device, BatchSource& source, size_t pictures) {
  const Recipe recipe = bf16_recipe();
  const ProcessFlags flags(recipe, device);
  const BackgroundStream stream(device);
  Learning net(kShape, recipe, device);
  Clock::time_point begin;
  std::vector<IdleTime> waits;
  constexpr uint32_t kEpochs = 4;
  for (uint32_t epoch = 0; epoch < kEpochs; ++epoch) {
    if (epoch == 1) {
      net.finish();
      begin = Clock::now();
      waits.clear();
    }
    source.start(order_of(pictures), epoch, 0);
    for (;;) {
      IdleTime wait(device);
      std::optional<TrainBatch> batch = source.next().value();
      if (!batch) break;
      wait.end();
      waits.push_back(std::move(wait));
      net.step(std::move(*batch));
    }
  }
  net.finish();
  const double seconds = seconds_since(begin);
  double waited = 0;
  for (const IdleTime& wait : waits) waited += wait.seconds();
  return {static_cast<double>((kEpochs - 1) * pictures) / seconds, waited / seconds};
}

Status measure_training(const at::Device& device, Report& report) {
  const double synthetic = images_per_second(device);
  report.add_rate("train-resnet50-bf16-batch-128", synthetic);
  const LoaderSpec spec = loader_of(std::make_shared<testing::JpegFolder>(size_t{256}, size_t{4096}, 500, 375));
  CorruptLog corrupt(Recipe(), spec.dataset->size(), {});
  Result<std::unique_ptr<BatchSource>> files = frame_source(spec, device, create_preprocessor_of_module, corrupt, {});
  if (!files) return files.error();
  const FolderRate rate = learn_from_folder(device, **files, spec.dataset->size());
  constexpr double kWorthANote = 0.1;  // as the trainer's
  const char* limit = rate.waited > kWorthANote ? "cpu" : "gpu";
  const double share = rate.images_per_second / synthetic;
  report.add(formatted("{\"what\": \"jpeg-folder-train-resnet50-bf16-batch-128\", \"images-per-second\": %.1f, "
                       "\"of-synthetic\": %.3f, \"gpu-waited\": %.3f, \"limit\": \"%s\"}",
                       rate.images_per_second, share, rate.waited, limit),
             formatted("the same from JPEG files of 500x375, %u workers: %.1f images/s, %.2f of that; the GPU waited "
                       "%.0f %% of the time: the %s is the limit",
                       spec.workers, rate.images_per_second, share, 100 * rate.waited, limit));
  return Status::success();
}

Status measure_pictures(const at::Device& device, Report& report) {
  const LoaderSpec spec = loader_of(std::make_shared<testing::WavesDataset>(size_t{512}, size_t{4}, 500, 375));
  CorruptLog corrupt(Recipe(), spec.dataset->size(), {});
  Result<std::unique_ptr<BatchSource>> there = frame_source(spec, device, create_preprocessor_of_module, corrupt, {});
  if (!there) return there.error();
  const std::unique_ptr<BatchSource> here = on_device(picture_source(spec, corrupt).value(), device);
  report.add_rate("pictures-augmented-on-the-cpu", pictures_per_second(*here, spec.dataset->size()));
  report.add_rate("pictures-augmented-on-the-gpu", pictures_per_second(**there, spec.dataset->size()));
  return Status::success();
}

// A stream of 1080p frames in the host's memory, judged one by one, at its pace.
class LiveStream {
 public:
  static Result<std::unique_ptr<LiveStream>> create() {
    ModelCard card;
    card.architecture = "resnet18";
    card.num_classes = 1000;
    const EngineSpec spec{.precision = Precision::Fp16, .device = {true, 0}};
    const Result<const CudaModule*> module = cuda_module();
    if (!module) return module.error();
    const auto engine =
        (*module)->create_engine(card, testing::trained_weights(card.architecture, card.num_classes, 1), spec);
    if (!engine) return engine.error();
    Result<std::unique_ptr<FrameSession>> session = (*engine)->create_frame_session(PreprocessSpec());
    if (!session) return session.error();
    return std::unique_ptr<LiveStream>(new LiveStream(std::move(*session)));
  }

  // Microseconds of each frame, sorted.
  Result<std::vector<double>> play() {
    std::vector<double> times;
    Clock::time_point due = Clock::now();
    for (int i = 0; i < kFramesBefore + kFrames; ++i, due += kBetween) {
      std::this_thread::sleep_until(due);
      const Clock::time_point begin = Clock::now();
      if (Status status = session_->take(0, frame_.view); !status) return status.error();
      if (Status status = session_->run(1); !status) return status.error();
      if (i >= kFramesBefore) times.push_back(seconds_since(begin) * 1e6);
    }
    std::ranges::sort(times);
    return times;
  }

 private:
  static constexpr int kFramesBefore = 30, kFrames = 600;
  static constexpr Clock::duration kBetween = std::chrono::microseconds(33'333);

  explicit LiveStream(std::unique_ptr<FrameSession> session)
      : session_(std::move(session)), frame_(testing::make_picture(PixelFormat::Nv12, 1920, 1080)) {
    testing::Random random(1);
    testing::fill_random(frame_, random);
  }

  std::unique_ptr<FrameSession> session_;
  testing::Picture frame_;
};

double percentile(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
}

// Learns on a thread of its own while it lives, without a pause: the learner makes some (duty-cycle).
class LearnerBeside {
 public:
  explicit LearnerBeside(const at::Device& device)
      : thread_([this, device] {
          status_ = guarded("learning beside", [&]() -> Status {
            const Recipe recipe;
            const ProcessFlags flags(recipe, device, Company::Others);
            const BackgroundStream stream(device);
            Learning net({"resnet18", 224, 32, 10}, recipe, device);
            while (!stop_) {
              net.step();
              ++steps_;
            }
            net.finish();
            return Status::success();
          });
          ended_ = true;
        }) {
    while (steps_ < kWarmUp && !ended_) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ~LearnerBeside() { static_cast<void>(stop()); }
  LearnerBeside(const LearnerBeside&) = delete;
  LearnerBeside& operator=(const LearnerBeside&) = delete;

  Status stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return status_;
  }

 private:
  std::atomic<bool> stop_ = false, ended_ = false;
  std::atomic<int> steps_ = 0;
  Status status_ = Status::success();
  std::thread thread_;
};

void tell_times(Report& report, const char* what, const std::vector<double>& times, const std::string& more_json,
                const std::string& more_text) {
  const double p50 = percentile(times, 0.5), p99 = percentile(times, 0.99);
  report.add(
      formatted("{\"what\": \"%s\", \"us\": {\"p50\": %.1f, \"p99\": %.1f}%s}", what, p50, p99, more_json.c_str()),
      formatted("%s: p50 %.1f us, p99 %.1f us%s", what, p50, p99, more_text.c_str()));
}

// ResNet-18 at 224x224 in fp16, 30 frames/s, beside the training of a ResNet-18 at batch 32 in fp32.
Status measure_live(const at::Device& device, Report& report) {
  Result<std::unique_ptr<LiveStream>> stream = LiveStream::create();
  if (!stream) return stream.error();
  const Result<std::vector<double>> alone = (*stream)->play();
  if (!alone) return alone.error();
  LearnerBeside learner(device);
  const Result<std::vector<double>> beside = (*stream)->play();
  if (Status learned = learner.stop(); !learned) return learned;
  if (!beside) return beside.error();
  const double ratio = percentile(*beside, 0.99) / percentile(*alone, 0.99);
  tell_times(report, "live-resnet18-fp16-1080p-30fps-alone", *alone, "", "");
  tell_times(report, "live-resnet18-fp16-1080p-30fps-while-training", *beside,
             formatted(", \"p99-ratio\": %.3f", ratio), formatted("; p99 %.2f times that alone", ratio));
  return Status::success();
}

int run(bool json) {
  const Result<at::Device> device = torch_device({.cuda = true});
  if (!device) return std::fprintf(stderr, "training_bench: %s\n", to_string(device.error()).c_str()), 1;
  Report report(json);
  for (const auto measure : {measure_training, measure_pictures, measure_live}) {
    const Status done = guarded("measuring", [&] { return measure(*device, report); });
    if (!done) std::fprintf(stderr, "training_bench: not measured: %s\n", to_string(done.error()).c_str());
  }
  report.end();
  return report.is_empty() ? 1 : 0;
}

}  // namespace
}  // namespace resnetft

int main(int argc, char** argv) { return resnetft::run(argc > 1 && std::strcmp(argv[1], "--json") == 0); }
