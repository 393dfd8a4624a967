// SPDX-License-Identifier: MIT
// How many pictures a second the trainer's steps learn from on a GPU: ResNet-50 at 224x224, batch 128, bfloat16, one
// batch that lies on the GPU. bench.py runs the same loop in Python. Arguments: --json.
#include <chrono>
#include <cstdio>
#include <cstring>

#include "device/torch/torch_device.h"
#include "tests/gpu/training_parts.h"
#include "train/torch/process_flags.h"

namespace resnetft {
namespace {

constexpr int kWarmUp = 20, kSteps = 50;
const testing::TrainedShape kShape{"resnet50", 224, 128, 1000};

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
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  return kSteps * static_cast<double>(kShape.batch) / seconds.count();
}

int run(bool json) {
  const Result<at::Device> device = torch_device({.cuda = true});
  if (!device) return std::fprintf(stderr, "training_bench: %s\n", to_string(device.error()).c_str()), 1;
  const double rate = images_per_second(*device);
  std::printf(json ? "{\"what\": \"train-resnet50-bf16-batch-128\", \"images-per-second\": %.1f}\n"
                   : "train resnet50 bf16 224x224 batch 128: %.1f images/s\n",
              rate);
  return 0;
}

}  // namespace
}  // namespace resnetft

int main(int argc, char** argv) { return resnetft::run(argc > 1 && std::strcmp(argv[1], "--json") == 0); }
