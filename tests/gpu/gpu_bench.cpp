// SPDX-License-Identifier: MIT
// How long the frame kernel takes on this GPU, by the GPU's own clock: 1080p to 224x224 half, the frame on the GPU, and
// with the copy of the frame from pageable memory. And how many pictures a second the engine judges, by the host's
// clock, with the copies of pictures and logits. Arguments: --list, or [--json] [NAME...]: measures what is named, or
// all.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/formatted.h"
#include "device/cuda_module.h"
#include "device/device_choice.h"
#include "infer/engine.h"
#include "tests/gpu/bench_report.h"
#include "tests/gpu/on_gpu.h"
#include "tests/support/direct_network.h"
#include "tests/support/picture.h"

namespace resnetft {
namespace {

constexpr int kWarmUp = 50, kRuns = 500;

struct FrameSubject {
  const char* name;
  PixelFormat format;
  bool upload;
};
constexpr std::array kFrames = {
    FrameSubject{"preprocess-1080p-nv12", PixelFormat::Nv12, false},
    FrameSubject{"preprocess-1080p-i420", PixelFormat::I420, false},
    FrameSubject{"preprocess-1080p-yuy2", PixelFormat::Yuy2, false},
    FrameSubject{"preprocess-1080p-rgba", PixelFormat::Rgba, false},
    FrameSubject{"preprocess-1080p-nv12-with-upload", PixelFormat::Nv12, true},
};

Status status_of(cudaError_t code) {
  if (code == cudaSuccess) return Status::success();
  return Error{ErrorCode::Internal, cudaGetErrorString(code), ""};
}

// One stream, events around each run.
class Clock {
 public:
  Clock() {
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    cudaEventCreate(&start_);
    cudaEventCreate(&end_);
  }
  ~Clock() {
    cudaEventDestroy(start_);
    cudaEventDestroy(end_);
    cudaStreamDestroy(stream);
  }
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;

  template <class Work>
  Result<float> microseconds_of(const Work& work) {
    float milliseconds = 0;
    cudaEventRecord(start_, stream);
    if (Status status = work(); !status) return status.error();
    cudaEventRecord(end_, stream);
    cudaEventSynchronize(end_);
    if (Status status = status_of(cudaEventElapsedTime(&milliseconds, start_, end_)); !status) return status.error();
    return milliseconds * 1000;
  }

  cudaStream_t stream = nullptr;

 private:
  cudaEvent_t start_ = nullptr, end_ = nullptr;
};

// Sorted.
Result<std::vector<float>> frame_times(const FrameSubject& subject) {
  testing::Random random(1);
  testing::Picture frame = testing::make_picture(subject.format, 1920, 1080);
  testing::fill_random(frame, random);
  Clock clock;
  const PreprocessSpec spec;
  auto preprocessor = (*cuda_module())->create_preprocessor({spec, NumberType::Float16, 0, clock.stream});
  if (!preprocessor) return preprocessor.error();
  void* output = nullptr;
  if (Status status = status_of(cudaMalloc(&output, 224 * 224 * 3 * 2)); !status) return status.error();
  const testing::OnGpu copy(frame);
  const ImageView& view = subject.upload ? frame.view : copy.view();
  std::vector<float> times;
  for (int i = 0; i < kWarmUp + kRuns; ++i) {
    const Result<float> time = clock.microseconds_of([&] {
      const Status status = (*preprocessor)->run(view, {}, output);
      return status ? (*preprocessor)->flush() : status;
    });
    if (!time) return time.error();
    if (i >= kWarmUp) times.push_back(*time);
  }
  cudaFree(output);
  std::ranges::sort(times);
  return times;
}

struct NetSubject {
  const char* architecture;
  int batch;
  int sessions;  // each in a thread: the copies of one beside the work of another

  std::string name() const {
    return formatted("%s-fp16-batch-%d", architecture, batch) +
           (sessions > 1 ? formatted("-sessions-%d", sessions) : "");
  }
};
// What Python is compared with comes first, and those of one engine one after the other.
constexpr std::array kNets = {NetSubject{"resnet18", 1, 1},  NetSubject{"resnet50", 1, 1},
                              NetSubject{"resnet18", 64, 1}, NetSubject{"resnet18", 64, 2},
                              NetSubject{"resnet50", 64, 1}, NetSubject{"resnet50", 64, 2},
                              NetSubject{"resnet50", 128, 1}};
constexpr int kWindows = 3;  // the median counts, for the clock and the machine waver: as bench.py
constexpr double kWindowSeconds = 0.7;

// Runs a second of one session, once `ready` has let all of them begin.
Result<double> runs_per_second(Session& session, int batch, std::barrier<>& ready) {
  using HostClock = std::chrono::steady_clock;
  ready.arrive_and_wait();
  const HostClock::time_point start = HostClock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(HostClock::now() - start).count(); };
  Status status = Status::success();
  int runs = 0;
  for (; seconds() < kWindowSeconds && status; ++runs) status = session.run(batch);
  if (!status) return status.error();
  return runs / seconds();
}

// In fp16, 224x224.
Result<std::shared_ptr<const Engine>> make_engine(const NetSubject& net) {
  ModelCard card;
  card.architecture = net.architecture;
  card.num_classes = 1000;
  const EngineSpec spec{
      .max_batch = net.batch, .full_batches = true, .precision = Precision::Fp16, .device = {true, 0}};
  return (*cuda_module())->create_engine(card, testing::trained_weights(net.architecture, card.num_classes, 1), spec);
}

// With pictures, and warm.
Result<std::unique_ptr<Session>> make_session(const Engine& engine, int batch) {
  Result<std::unique_ptr<Session>> session = engine.create_session();
  if (!session) return session;
  testing::Random random(1);
  std::uniform_real_distribution<float> numbers(-1, 1);
  for (int i = 0; i < batch; ++i)
    for (float& value : (*session)->input(i)) value = numbers(random);
  for (int i = 0; i < kWarmUp; ++i)
    if (Status status = (*session)->run(batch); !status) return status.error();
  return session;
}

Result<double> images_per_second(const std::vector<std::unique_ptr<Session>>& sessions, int batch) {
  std::vector<Result<double>> rates(sessions.size(), 0.0);
  std::barrier<> ready(static_cast<ptrdiff_t>(sessions.size()));
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < sessions.size(); ++i)
      threads.emplace_back([&, i] { rates[i] = runs_per_second(*sessions[i], batch, ready); });
  }
  double sum = 0;
  for (const Result<double>& rate : rates) {
    if (!rate) return rate.error();
    sum += *rate * batch;
  }
  return sum;
}

Result<double> median_images_per_second(const Engine& engine, const NetSubject& net) {
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < net.sessions; ++i) {
    auto session = make_session(engine, net.batch);
    if (!session) return session.error();
    sessions.push_back(std::move(*session));
  }
  std::array<double, kWindows> rates = {};
  for (double& rate : rates) {
    const Result<double> measured = images_per_second(sessions, net.batch);
    if (!measured) return measured;
    rate = *measured;
  }
  std::ranges::sort(rates);
  return rates[kWindows / 2];
}

void measure_nets(BenchReport& report) {
  std::shared_ptr<const Engine> engine;
  const NetSubject* built = nullptr;
  for (const NetSubject& net : kNets) {
    if (!report.wants(net.name())) continue;
    if (!built || built->batch != net.batch || std::strcmp(built->architecture, net.architecture) != 0) {
      engine.reset();
      built = nullptr;
      const Result<std::shared_ptr<const Engine>> made = make_engine(net);
      if (!made) {
        report.add_failure(net.name(), made.error());
        continue;
      }
      engine = *made;
      built = &net;
    }
    report.add_rate(net.name(), median_images_per_second(*engine, net));
  }
}

void measure_frames(BenchReport& report) {
  for (const FrameSubject& subject : kFrames) {
    if (!report.wants(subject.name)) continue;
    if (const Result<std::vector<float>> times = frame_times(subject); times)
      report.add_times(subject.name, {times->begin(), times->end()}, {0.5, 0.95, 0.99});
    else
      report.add_failure(subject.name, times.error());
  }
}

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const NetSubject& net : kNets) names.push_back(net.name());
  for (const FrameSubject& subject : kFrames) names.emplace_back(subject.name);
  return names;
}

int run(BenchReport& report) {
  if (const Result<Device> device = choose_device("cuda"); !device)
    return std::fprintf(stderr, "gpu_bench: %s\n", to_string(device.error()).c_str()), 1;
  report.add_gpu(survey_cuda().gpus.front().gpu.name);
  measure_nets(report);
  measure_frames(report);
  return report.is_complete() ? 0 : 1;
}

}  // namespace
}  // namespace resnetft

int main(int argc, char** argv) { return resnetft::bench_main(argc, argv, resnetft::all_names(), resnetft::run); }
