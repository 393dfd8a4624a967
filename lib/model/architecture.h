// SPDX-License-Identifier: MIT
// The zoo as a table: every ResNet that resnetft knows, and the names and shapes of its tensors. Free of torch, so
// that weight readers, engines and tests share it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resnetft/error.h"

namespace resnetft {

// Basic: two 3x3 convolutions (He 2016a). Bottleneck: 1x1, 3x3, 1x1 with the stride on the 3x3 (torchvision's
// "ResNet V1.5"). Cifar: Basic with option-A shortcuts, which have no parameters (He 2016a, section 4.2).
enum class BlockKind { Basic, Bottleneck, Cifar };

// One row of the zoo. `depths` counts the blocks of each stage; the CIFAR family has three stages (the last is 0).
// `groups` and `width_per_group` as torchvision's arguments of these names: the 3x3 of a bottleneck has
// planes * width_per_group / 64 * groups channels.
struct Architecture {
  std::string_view name;
  BlockKind block;
  std::array<int, 4> depths;
  int groups = 1;
  int width_per_group = 64;
};

std::span<const Architecture> architectures();

// InvalidArgument with the list of what is possible where the name is not in the zoo.
Result<Architecture> find_architecture(std::string_view name);

// A trained tensor as torchvision names it ("layer1.0.conv1.weight"; the CIFAR family calls its head "linear").
// Shapes: convolutions [out, in / groups, h, w], normalisation [channels], head [classes, features] and [classes].
struct ParameterSpec {
  std::string name;
  std::vector<int64_t> shape;
};

// All trained tensors in the order in which the modules are registered; running statistics are not among them.
std::vector<ParameterSpec> parameter_specs(const Architecture& architecture, int64_t num_classes);

// The sum of the sizes of parameter_specs().
int64_t parameter_count(const Architecture& architecture, int64_t num_classes);

}  // namespace resnetft
