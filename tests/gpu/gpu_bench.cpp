// SPDX-License-Identifier: MIT
// How long the frame kernel takes on this GPU, by the GPU's own clock: 1080p to 224x224 half, the frame on the GPU, and
// with the copy of the frame from pageable memory. And how many pictures a second the engine judges, by the host's
// clock, with the copies of pictures and logits. Arguments: --json.
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
#include "tests/gpu/on_gpu.h"
#include "tests/support/direct_network.h"
#include "tests/support/picture.h"

namespace resnetft {
namespace {

constexpr int kWarmUp = 50, kRuns = 500;

struct Subject {
  const char* name;
  PixelFormat format;
  bool upload;
};
constexpr std::array kSubjects = {Subject{"nv12", PixelFormat::Nv12, false}, Subject{"i420", PixelFormat::I420, false},
                                  Subject{"yuy2", PixelFormat::Yuy2, false}, Subject{"rgba", PixelFormat::Rgba, false},
                                  Subject{"nv12-with-upload", PixelFormat::Nv12, true}};

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
Result<std::vector<float>> measure(const Subject& subject) {
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
  int most_sessions;  // one, then two and so on, each in a thread: the copies of one beside the work of another
};
constexpr std::array kNets = {NetSubject{"resnet18", 1, 1}, NetSubject{"resnet18", 64, 2}, NetSubject{"resnet50", 1, 1},
                              NetSubject{"resnet50", 64, 2}, NetSubject{"resnet50", 128, 1}};
constexpr double kNetSeconds = 2;

// Runs a second of one session, once `ready` has let all of them begin.
Result<double> runs_per_second(Session& session, int batch, std::barrier<>& ready) {
  using HostClock = std::chrono::steady_clock;
  testing::Random random(1);
  std::uniform_real_distribution<float> numbers(-1, 1);
  for (int i = 0; i < batch; ++i)
    for (float& value : session.input(i)) value = numbers(random);
  Status status = Status::success();
  for (int i = 0; i < kWarmUp && status; ++i) status = session.run(batch);
  ready.arrive_and_wait();
  const HostClock::time_point start = HostClock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(HostClock::now() - start).count(); };
  int runs = 0;
  for (; seconds() < kNetSeconds && status; ++runs) status = session.run(batch);
  if (!status) return status.error();
  return runs / seconds();
}

// In fp16, 224x224.
Result<std::shared_ptr<const Engine>> make_engine(const NetSubject& net) {
  ModelCard card;
  card.architecture = net.architecture;
  card.num_classes = 1000;
  const EngineSpec spec{.max_batch = net.batch, .precision = Precision::Fp16, .device = {true, 0}};
  return (*cuda_module())->create_engine(card, testing::trained_weights(net.architecture, card.num_classes, 1), spec);
}

Result<double> images_per_second(const Engine& engine, int batch, int count) {
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < count; ++i) {
    auto session = engine.create_session();
    if (!session) return session.error();
    sessions.push_back(std::move(*session));
  }
  std::vector<Result<double>> rates(sessions.size(), 0.0);
  std::barrier<> ready(count);
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

// What cannot be measured keeps nothing else from being.
std::string net_lines(bool json) {
  std::string lines;
  for (const NetSubject& net : kNets) {
    const Result<std::shared_ptr<const Engine>> engine = make_engine(net);
    for (int sessions = 1; sessions <= net.most_sessions; ++sessions) {
      const std::string name = formatted("%s-fp16-batch-%d", net.architecture, net.batch) +
                               (sessions > 1 ? formatted("-sessions-%d", sessions) : "");
      const Result<double> rate = engine ? images_per_second(**engine, net.batch, sessions) : engine.error();
      if (rate)
        lines += formatted(json ? ", {\"what\": \"%s\", \"images-per-second\": %.1f}" : "%s: %.1f images/s\n",
                           name.c_str(), *rate);
      else
        std::fprintf(stderr, "gpu_bench: %s was not measured: %s\n", name.c_str(), to_string(rate.error()).c_str());
    }
  }
  return lines;
}

double percentile(const std::vector<float>& sorted, double share) {
  return static_cast<double>(sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))]);
}

int run(bool json) {
  if (const Result<Device> device = choose_device("cuda"); !device)
    return std::fprintf(stderr, "gpu_bench: %s\n", to_string(device.error()).c_str()), 1;
  const std::string gpu = survey_cuda().gpus.front().gpu.name;
  std::string lines;
  for (const Subject& subject : kSubjects) {
    const Result<std::vector<float>> times = measure(subject);
    if (!times) return std::fprintf(stderr, "gpu_bench: %s\n", to_string(times.error()).c_str()), 1;
    const double p50 = percentile(*times, 0.5), p95 = percentile(*times, 0.95), p99 = percentile(*times, 0.99);
    const char* format =
        json ? "%s{\"what\": \"preprocess-1080p-%s\", \"us\": {\"p50\": %.2f, \"p95\": %.2f, \"p99\": %.2f}}"
             : "%spreprocess 1080p %s to 224x224 half: p50 %.2f us, p95 %.2f us, p99 %.2f us\n";
    lines += formatted(format, json && !lines.empty() ? ", " : "", subject.name, p50, p95, p99);
  }
  lines += net_lines(json);
  if (json)
    std::printf("{\"gpu\": \"%s\", \"measured\": [%s]}\n", gpu.c_str(), lines.c_str());
  else
    std::printf("%s\n%s", gpu.c_str(), lines.c_str());
  return 0;
}

}  // namespace
}  // namespace resnetft

int main(int argc, char** argv) { return resnetft::run(argc > 1 && std::strcmp(argv[1], "--json") == 0); }
