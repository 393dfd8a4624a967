// SPDX-License-Identifier: MIT
// How many pictures a second the trainer's steps learn from on a GPU: ResNet-50 at 224x224, batch 128, bfloat16, one
// batch that lies on the GPU (bench.py runs the same loop in Python), then JPEG files of 500x375, and whether the CPU
// or the GPU was the limit there. How many such pictures a second come there, decoded: random-resized to 224x224 on the
// CPU or on the GPU. And what a classifier of 30 frames a second notices of a net that learns beside it. Arguments:
// --list, or [--json] [NAME...]: measures what is named, or all.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <deque>
#include <numeric>
#include <string>
#include <thread>

#include "base/formatted.h"
#include "device/cuda_module.h"
#include "device/device_choice.h"
#include "device/torch/guarded.h"
#include "device/torch/torch_device.h"
#include "infer/engine.h"
#include "tests/gpu/bench_report.h"
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

constexpr int kWarmUp = 20, kSteps = 12, kWindows = 3;  // the median counts: as bench.py
const testing::TrainedShape kShape{"resnet50", 224, 128, 1000};

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

constexpr const char *kSynthetic = "train-resnet50-bf16-batch-128",
                     *kFiles = "jpeg-folder-train-resnet50-bf16-batch-128", *kOnCpu = "pictures-augmented-on-the-cpu",
                     *kOnGpu = "pictures-augmented-on-the-gpu", *kAlone = "live-resnet18-fp16-1080p-30fps-alone",
                     *kBeside = "live-resnet18-fp16-1080p-30fps-while-training";

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
  std::array<double, kWindows> rates = {};
  for (double& rate : rates) {
    const Clock::time_point begin = Clock::now();
    for (int i = 0; i < kSteps; ++i) net.step();
    net.finish();
    rate = kSteps * static_cast<double>(kShape.batch) / seconds_since(begin);
  }
  std::ranges::sort(rates);
  return rates[kWindows / 2];
}

LoaderSpec loader_of(DatasetPtr dataset) {
  LoaderSpec spec{.dataset = std::move(dataset)};
  spec.augment = AugmentSpec{};
  spec.batch_size = static_cast<size_t>(kShape.batch);
  constexpr unsigned kMostWorkers = 32;  // a container may be lent fewer processors than it sees
  spec.workers = std::clamp(std::thread::hardware_concurrency(), 1u, kMostWorkers);
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
    while (const std::optional<TrainBatch> batch = source.next().value()) {
      const at::Tensor sum = batch->input.sum();
      source.prefetch();
      sum.item<double>();  // waits for the GPU
    }
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
      IdleTime reading(device);
      source.prefetch();
      reading.end();
      waits.push_back(std::move(reading));
    }
  }
  net.finish();
  const double seconds = seconds_since(begin);
  double waited = 0;
  for (const IdleTime& wait : waits) waited += wait.seconds();
  return {static_cast<double>((kEpochs - 1) * pictures) / seconds, waited / seconds};
}

Status measure_training(const at::Device& device, BenchReport& report) {
  const double synthetic = images_per_second(device);
  if (report.wants(kSynthetic)) report.add_rate(kSynthetic, synthetic);
  if (!report.wants(kFiles)) return Status::success();
  const LoaderSpec spec = loader_of(std::make_shared<testing::JpegFolder>(size_t{256}, size_t{4096}, 500, 375));
  CorruptLog corrupt(Recipe(), spec.dataset->size(), {});
  Result<std::unique_ptr<BatchSource>> files = frame_source(spec, device, create_preprocessor_of_module, corrupt, {});
  if (!files) return files.error();
  const FolderRate rate = learn_from_folder(device, **files, spec.dataset->size());
  constexpr double kWorthANote = 0.1;  // as the trainer's
  const char* limit = rate.waited > kWorthANote ? "cpu" : "gpu";
  const double share = rate.images_per_second / synthetic;
  report.add_rate(
      kFiles, rate.images_per_second,
      formatted(", \"of-synthetic\": %.3f, \"gpu-waited\": %.3f, \"limit\": \"%s\"", share, rate.waited, limit),
      formatted(
          ", %u workers, %.2f of those that lie on the GPU, which waited %.0f %% of the time: the %s is the limit",
          spec.workers, share, 100 * rate.waited, limit));
  return Status::success();
}

Status measure_pictures(const at::Device& device, BenchReport& report) {
  const LoaderSpec spec = loader_of(std::make_shared<testing::WavesDataset>(size_t{512}, size_t{4}, 500, 375));
  CorruptLog corrupt(Recipe(), spec.dataset->size(), {});
  if (report.wants(kOnCpu)) {
    const std::unique_ptr<BatchSource> here = on_device(picture_source(spec, corrupt).value(), device);
    report.add_rate(kOnCpu, pictures_per_second(*here, spec.dataset->size()));
  }
  if (!report.wants(kOnGpu)) return Status::success();
  Result<std::unique_ptr<BatchSource>> there = frame_source(spec, device, create_preprocessor_of_module, corrupt, {});
  if (!there) return there.error();
  report.add_rate(kOnGpu, pictures_per_second(**there, spec.dataset->size()));
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

// ResNet-18 at 224x224 in fp16, 30 frames/s, beside the training of a ResNet-18 at batch 32 in fp32.
Status measure_live(const at::Device& device, BenchReport& report) {
  Result<std::unique_ptr<LiveStream>> stream = LiveStream::create();
  if (!stream) return stream.error();
  const Result<std::vector<double>> alone = (*stream)->play();
  if (!alone) return alone.error();
  report.add_times(kAlone, *alone, {0.5, 0.99});
  LearnerBeside learner(device);
  const Result<std::vector<double>> beside = (*stream)->play();
  if (Status learned = learner.stop(); !learned) return learned;
  if (!beside) return beside.error();
  const double ratio = BenchReport::percentile(*beside, 0.99) / BenchReport::percentile(*alone, 0.99);
  report.add_times(kBeside, *beside, {0.5, 0.99}, formatted(", \"p99-ratio\": %.3f", ratio),
                   formatted("; p99 %.2f times that alone", ratio));
  return Status::success();
}

struct Measure {
  std::vector<std::string> names;
  Status (*run)(const at::Device&, BenchReport&);
};
const std::array kMeasures = {Measure{{kSynthetic, kFiles}, measure_training},
                              Measure{{kOnCpu, kOnGpu}, measure_pictures}, Measure{{kAlone, kBeside}, measure_live}};

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const Measure& measure : kMeasures) names.insert(names.end(), measure.names.begin(), measure.names.end());
  return names;
}

int run(BenchReport& report) {
  const Result<at::Device> device = torch_device({.cuda = true});
  if (!device) return std::fprintf(stderr, "gpu_training_bench: %s\n", to_string(device.error()).c_str()), 1;
  report.add_gpu(survey_cuda().gpus.front().gpu.name);
  const auto wants = [&](const std::string& name) { return report.wants(name); };
  for (const Measure& measure : kMeasures) {
    if (std::ranges::none_of(measure.names, wants)) continue;
    const Status done = guarded("measuring", [&] { return measure.run(*device, report); });
    if (done) continue;
    for (const std::string& name : measure.names)
      if (wants(name)) report.add_failure(name, done.error());
  }
  return report.is_complete() ? 0 : 1;
}

}  // namespace
}  // namespace resnetft

int main(int argc, char** argv) { return resnetft::bench_main(argc, argv, resnetft::all_names(), resnetft::run); }
