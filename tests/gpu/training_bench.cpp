// SPDX-License-Identifier: MIT
// How many pictures a second the trainer's steps learn from on a GPU: ResNet-50 at 224x224, batch 128, bfloat16, one
// batch that lies on the GPU; bench.py runs the same loop in Python. And how many a second come there, of 500x375 in
// memory, decoded: random-resized to 224x224 on the CPU or on the GPU. Arguments: --json.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <thread>

#include "device/torch/torch_device.h"
#include "tests/gpu/training_parts.h"
#include "train/torch/device_source.h"
#include "train/torch/frame_source.h"
#include "train/torch/process_flags.h"

namespace resnetft {
namespace {

constexpr int kWarmUp = 20, kSteps = 50;
const testing::TrainedShape kShape{"resnet50", 224, 128, 1000};

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double images_per_second(const at::Device& device) {
  Recipe recipe;
  recipe.precision = TrainPrecision::Bf16;
  const ProcessFlags flags(recipe, device);
  const BackgroundStream stream(device);
  testing::LearningNet net(kShape, recipe, device);
  for (int i = 0; i < kWarmUp; ++i) net.learn(0.01);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kSteps; ++i) net.learn(0.01);
  net.net().named_parameters()["fc.bias"].sum().item<double>();  // waits for the GPU
  return kSteps * static_cast<double>(kShape.batch) / seconds_since(begin);
}

LoaderSpec picture_spec() {
  LoaderSpec spec{.dataset = std::make_shared<testing::WavesDataset>(size_t{512}, size_t{4}, 500, 375)};
  spec.augment = AugmentSpec{};
  spec.batch_size = static_cast<size_t>(kShape.batch);
  spec.workers = std::max(1u, std::thread::hardware_concurrency());
  return spec;
}

// The first epoch warms up.
double pictures_per_second(BatchSource& source, size_t pictures) {
  std::vector<size_t> order(pictures);
  std::iota(order.begin(), order.end(), size_t{0});
  std::chrono::steady_clock::time_point begin;
  constexpr uint32_t kEpochs = 8;
  for (uint32_t epoch = 0; epoch < kEpochs; ++epoch) {
    if (epoch == 1) begin = std::chrono::steady_clock::now();
    source.start(order, epoch, 0);
    while (const std::optional<TrainBatch> batch = source.next().value())
      batch->input.sum().item<double>();  // waits for the GPU
  }
  return static_cast<double>((kEpochs - 1) * pictures) / seconds_since(begin);
}

void tell(bool json, const char* what, double rate) {
  std::printf(json ? "{\"what\": \"%s\", \"images-per-second\": %.1f}" : "%s: %.1f images/s\n", what, rate);
}

int measure(bool json, const at::Device& device) {
  const LoaderSpec spec = picture_spec();
  CorruptLog corrupt(Recipe(), spec.dataset->size(), {});
  Result<std::unique_ptr<BatchSource>> there = frame_source(spec, device, create_preprocessor_of_module, corrupt, {});
  if (!there) return std::fprintf(stderr, "training_bench: %s\n", to_string(there.error()).c_str()), 1;
  const std::unique_ptr<BatchSource> here = on_device(picture_source(spec, corrupt).value(), device);
  if (json) std::printf("[");
  tell(json, "train-resnet50-bf16-batch-128", images_per_second(device));
  if (json) std::printf(",\n ");
  tell(json, "pictures-augmented-on-the-cpu", pictures_per_second(*here, spec.dataset->size()));
  if (json) std::printf(",\n ");
  tell(json, "pictures-augmented-on-the-gpu", pictures_per_second(**there, spec.dataset->size()));
  if (json) std::printf("]\n");
  return 0;
}

int run(bool json) {
  const Result<at::Device> device = torch_device({.cuda = true});
  if (!device) return std::fprintf(stderr, "training_bench: %s\n", to_string(device.error()).c_str()), 1;
  return measure(json, *device);
}

}  // namespace
}  // namespace resnetft

int main(int argc, char** argv) { return resnetft::run(argc > 1 && std::strcmp(argv[1], "--json") == 0); }
