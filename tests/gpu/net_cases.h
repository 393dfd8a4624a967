// SPDX-License-Identifier: MIT
// The nets that the CUDA engine is tried with. What the CPU's engine makes of them is written down where there is one
// (expected_logits.cpp), for the machine with the GPU lacks it.
#pragma once

#include <array>
#include <random>
#include <span>
#include <string>

#include "infer/engine.h"
#include "tests/support/direct_network.h"

namespace resnetft::testing {

struct NetCase {
  const char* architecture;
  int width, height;
};

inline constexpr std::array kNetCases = {
    NetCase{"resnet20", 32, 32},          NetCase{"resnet56", 160, 288},        NetCase{"resnet18", 32, 32},
    NetCase{"resnet18", 224, 224},        NetCase{"resnet34", 160, 288},        NetCase{"resnet50", 224, 224},
    NetCase{"resnext50_32x4d", 224, 224}, NetCase{"wide_resnet50_2", 160, 288},
};

inline constexpr int kNetPictures = 8, kNetClasses = 40;

inline std::string text_of(const NetCase& net) {
  return std::string(net.architecture) + " " + std::to_string(net.width) + "x" + std::to_string(net.height);
}

inline ModelCard card_of(const NetCase& net) {
  ModelCard card;
  card.architecture = net.architecture;
  card.num_classes = kNetClasses;
  return card;
}

inline FloatWeights weights_of(const NetCase& net) { return trained_weights(net.architecture, kNetClasses, 7); }

inline void fill_picture(std::span<float> input, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (float& value : input) value = normal(random);
}

}  // namespace resnetft::testing
